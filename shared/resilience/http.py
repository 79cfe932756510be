"""HTTP to a vendor: the client that its policy asks for, and errors told apart by what may have arrived."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import httpx2

from shared.domain.errors import OutcomeUnknown
from shared.resilience.errors import NotSent
from shared.resilience.vendor import Vendor
from shared.telemetry.context import current_work

#: Errors before the first byte of the request.
BEFORE_SENDING = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout)


def client_for(vendor: Vendor, *, base_url: str, headers: Mapping[str, str]) -> httpx2.Client:
    """Return a client with the vendor's time-outs and one connection per call that may be under way.

    Its requests tell the vendor which work they belong to.
    """
    connect = vendor.timeout.connect
    return httpx2.Client(
        base_url=base_url,
        headers=headers,
        timeout=httpx2.Timeout(connect=connect, write=connect, pool=connect, read=vendor.timeout.answer),
        limits=httpx2.Limits(max_connections=vendor.at_most, max_keepalive_connections=vendor.at_most),
        event_hooks={"request": [_tell_of_the_work]},
    )


@contextmanager
def errors_told_apart(vendor: Vendor) -> Iterator[None]:
    """Raise NotSent for a request that was never sent, OutcomeUnknown for one that broke off later.

    An idle connection that the vendor has closed meanwhile may break off a request: it is taken as unknown.
    """
    try:
        yield
    except BEFORE_SENDING as error:
        raise NotSent(provider=vendor.name, error=type(error).__name__) from error
    except httpx2.TransportError as error:
        raise OutcomeUnknown(provider=vendor.name, error=type(error).__name__) from error


def _tell_of_the_work(request: httpx2.Request) -> None:
    request.headers.update(current_work().headers)
