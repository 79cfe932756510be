"""How often a caller may ask: quotas per caller and class of route, for both APIs.

Every request under ``/api/`` draws on a quota, once: before the operation runs and after the caller is known; or,
when it did not come so far (unknown path, no valid token, missing scope), before it is answered. A route is of class
``read`` or ``write``, by its method, unless it says otherwise. Headers as in IETF
draft-ietf-httpapi-ratelimit-headers-10.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from ipaddress import ip_address, ip_network
from typing import Any, Final

import orjson
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from ninja.throttling import BaseThrottle
from prometheus_client import Counter

from shared.domain.errors import TooManyRequestsError
from shared.http.auth import Caller
from shared.http.problems import problem_of, problem_response
from shared.resilience.brief_valkey import BriefValkey
from shared.resilience.quotas import Bucket, OwnBuckets, Quota, SharedBuckets, Taken

GetResponse = Callable[[HttpRequest], HttpResponseBase]

READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})
#: The class that guesses passwords: counted by address, whoever asks, by account named, and without Valkey as well.
AUTH: Final = "auth"
#: Addresses of IPv6 are handed out by the network: whoever has one has all of its /64 (RFC 6177).
NETWORK_OF_ONE_SITE: Final = 64
PREFIX: Final = "orderly:quota:"

REFUSED = Counter("orderly_http_throttled_total", "Requests refused because of their number.", ("route_class",))
UNCOUNTED = Counter(
    "orderly_http_unthrottled_total", "Requests let through because Valkey did not answer.", ("route_class",)
)


class RateLimited(TooManyRequestsError):
    """You have asked too often; ask again after as many seconds as Retry-After says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """On which quota a request has drawn, and what came of it; without Valkey nothing is known."""

    route_class: str
    taken: Taken | None

    @property
    def is_refused(self) -> bool:
        """Tell whether the quota was used up."""
        return self.taken is not None and not self.taken.is_granted


class Throttled(BaseThrottle):
    """Ninja: draws on the quota of the caller for a class of routes; by default the method tells the class."""

    def __init__(self, route_class: str = "") -> None:
        self._route_class = route_class

    def allow_request(self, request: HttpRequest) -> bool:
        """Tell whether the operation may run."""
        return not charge(request, caller=getattr(request, "auth", None), route_class=self._route_class).is_refused


class RateLimits:
    """Middleware: tell what is left, and charge for requests that reached no operation."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response
        check_limits(settings.RATE_LIMITS)

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if not request.path.startswith("/api/"):
            return self.get_response(request)
        response = self.get_response(request)
        charged = charge_of(request)
        if charged is None:
            charged = charge(request, caller=getattr(request, "auth", None), route_class="")
            if charged.is_refused:
                response = problem_response(request, problem_of(refusal_of(request)))
        if charged.taken is not None:
            for name, value in _headers(charged.route_class, charged.taken).items():
                response[name] = value
        return response


def charge(request: HttpRequest, *, caller: object, route_class: str) -> Charge:
    """Draw on the quota of the caller, or of the address when nobody is known; at most once a request."""
    charged = charge_of(request)
    if charged is not None:
        return charged
    route_class = route_class or ("read" if request.method in READING else "write")
    buckets = _buckets(request, caller if isinstance(caller, Caller) else None, route_class)
    taken = _shared_buckets().take(buckets)
    if taken is None:
        UNCOUNTED.labels(route_class).inc()
        taken = _own_buckets.take(buckets) if route_class == AUTH else None
    charged = Charge(route_class=route_class, taken=taken)
    if charged.is_refused:
        REFUSED.labels(route_class).inc()
    setattr(request, _CHARGE, charged)
    return charged


def charge_of(request: HttpRequest) -> Charge | None:
    """Return what the request has drawn so far."""
    charged: Charge | None = getattr(request, _CHARGE, None)
    return charged


def refusal_of(request: HttpRequest) -> RateLimited:
    """Return the refusal of a request whose quota is used up."""
    charged = charge_of(request)
    return RateLimited(retry_after=charged.taken.retry_after if charged and charged.taken else 1)


def address_of(request: HttpRequest) -> str:
    """Return where the request comes from, as the outermost trusted proxy saw it; of IPv6 the network.

    ``X-Forwarded-For`` is read from its end, as far as ``settings.TRUSTED_PROXIES`` go: what stands before them is
    whatever the client likes to write.
    """
    seen = [str(request.META.get("REMOTE_ADDR", ""))]
    proxies: int = settings.TRUSTED_PROXIES
    if proxies and (forwarded := request.META.get("HTTP_X_FORWARDED_FOR")):
        seen = forwarded.split(",")[-proxies:]
    try:
        address = ip_address(_without_port(seen[0].strip()))
    except ValueError:
        return "unknown"
    if address.version == 6:
        return str(ip_network((address, NETWORK_OF_ONE_SITE), strict=False))
    return str(address)


def check_limits(limits: Mapping[str, Mapping[str, str]]) -> None:
    """Raise ImproperlyConfigured unless each class has a quota for each kind of caller."""
    for route_class, quotas in limits.items():
        needed = {"address", "account"} if route_class == AUTH else {"address", "person", "key"}
        if set(quotas) != needed:
            raise ImproperlyConfigured(f"RATE_LIMITS[{route_class!r}] needs quotas for {', '.join(sorted(needed))}")
        for text in quotas.values():
            quota_of(text)
    if missing := {"read", "write", AUTH} - set(limits):
        raise ImproperlyConfigured(f"RATE_LIMITS has no {', '.join(sorted(missing))}")


@cache
def quota_of(text: str) -> Quota:
    """Read a quota such as ``600/60``: 600 in 60 seconds."""
    size, _, window = text.partition("/")
    if not (size.isdecimal() and window.isdecimal() and int(size) and int(window)):
        raise ImproperlyConfigured(f"{text!r} is no quota; 600/60 is: 600 in 60 seconds")
    return Quota(size=int(size), window=int(window))


_CHARGE: Final = "_orderly_charge"
_own_buckets = OwnBuckets()


def _shared_buckets() -> SharedBuckets:
    return _shared_buckets_at(settings.REDIS_URL)


@cache
def _shared_buckets_at(url: str) -> SharedBuckets:
    return SharedBuckets(BriefValkey(url, complaint="quotas_unreachable"))


def _buckets(request: HttpRequest, caller: Caller | None, route_class: str) -> list[Bucket]:
    limits = settings.RATE_LIMITS[route_class]
    if route_class == AUTH:
        buckets = [_bucket(route_class, f"address:{address_of(request)}", limits["address"])]
        account = _account_named_in(request)
        return [*buckets, _bucket(route_class, f"account:{account}", limits["account"])] if account else buckets
    if caller is None:
        return [_bucket(route_class, f"address:{address_of(request)}", limits["address"])]
    return [_bucket(route_class, caller.actor, limits["key" if caller.kind == "key" else "person"])]


def _bucket(route_class: str, whose: str, quota: str) -> Bucket:
    return Bucket(key=f"{PREFIX}{route_class}:{whose}", quota=quota_of(quota))


def _account_named_in(request: HttpRequest) -> str:
    """Return a digest of the e-mail address in the body, so that no address is kept outside of the database."""
    try:
        email: Any = orjson.loads(request.body).get("email")
    except (ValueError, AttributeError):
        return ""
    return hashlib.sha256(email.strip().casefold().encode()).hexdigest() if isinstance(email, str) else ""


def _headers(route_class: str, taken: Taken) -> Mapping[str, str]:
    return {
        "RateLimit-Policy": f'"{route_class}";q={taken.quota.size};w={taken.quota.window}',
        "RateLimit": f'"{route_class}";r={taken.left};t={taken.full_after}',
    }


def _without_port(address: str) -> str:
    """Return the address without the port that some proxies add."""
    if address.startswith("["):
        return address[1:].partition("]")[0]
    return address.partition(":")[0] if address.count(":") == 1 else address
