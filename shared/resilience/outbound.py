"""HTTP to URLs that others choose: to public addresses alone, and to the very address that was checked.

Whoever can have us call a URL must not reach with it what only we can reach (OWASP, "Server-Side Request Forgery
Prevention Cheat Sheet"). A name may resolve to another address at each question ("DNS rebinding"), so the check
stands where the connection is made, and the connection goes to the address that passed. Name, certificate and
``Host`` stay those of the URL. No redirect is followed, no proxy is asked, and answers are cut off.
"""

import asyncio
import socket
import ssl
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import httpcore2
import httpx2
from django.conf import settings

from shared.domain.errors import InvalidInputError
from shared.resilience.addresses import is_loopback, is_public
from shared.resilience.guard import outside_transactions
from shared.resilience.policy import Timeout

Resolver = Callable[[str], Sequence[str]]

PORTS: Final = frozenset({443, 8443})
LONGEST_URL: Final = 2048  # characters
TRIED_ADDRESSES: Final = 4
LONGEST_ANSWER: Final = 64 * 1024  # bytes
RESOLVED_WITHIN: Final = 5.0  # seconds
#: Names that are this machine without a question to anybody.
_LOOPBACK_NAMES: Final = frozenset({"localhost", "127.0.0.1", "::1"})

#: The system's resolver cannot be told to hurry; threads of its own keep a slow one away from everybody else.
_resolving = ThreadPoolExecutor(max_workers=16, thread_name_prefix="resolve")


class UrlNotAllowed(InvalidInputError):
    """Give an https URL on port 443 or 8443, without a user name, whose host has public addresses only."""

    pointer = "/url"


class AnswerTooLong(httpx2.ReadError):
    """The other side sends more than anybody reads of it."""


def addresses_by_system(name: str) -> Sequence[str]:
    """Return the addresses of a name in the order of preference (RFC 6724), as the operating system resolves it."""
    found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


@dataclass(frozen=True, slots=True, kw_only=True)
class Outbound:
    """Where requests may go whose URL others have chosen; ``allows_loopback`` is for a developer's machine.

    There, loopback may be reached at any port, and by plain http if the URL says localhost, 127.0.0.1 or [::1].
    """

    allows_loopback: bool = False
    resolve: Resolver = addresses_by_system

    @outside_transactions
    def check(self, url: str) -> None:
        """Raise UrlNotAllowed for a URL that no request would be sent to now; asks the resolver."""
        try:
            parsed = httpx2.URL(url)
        except httpx2.InvalidURL:
            raise UrlNotAllowed from None
        self.check_form(parsed)
        try:
            found = self.start_resolving(_ascii_host(parsed)).result(timeout=RESOLVED_WITHIN)
        except (OSError, UnicodeError, TimeoutError):
            raise UrlNotAllowed from None
        self.check_addresses(found)

    def check_form(self, url: httpx2.URL) -> None:
        """Raise UrlNotAllowed for what can be seen without asking the resolver."""
        if len(str(url)) > LONGEST_URL or url.userinfo or not url.host:
            raise UrlNotAllowed
        if self.allows_loopback and url.scheme in {"http", "https"} and url.host in _LOOPBACK_NAMES:
            return
        if url.scheme != "https" or (443 if url.port is None else url.port) not in PORTS:
            raise UrlNotAllowed

    def check_addresses(self, addresses: Sequence[str]) -> None:
        """Raise UrlNotAllowed unless there are addresses, and a request may go to every one of them."""
        if not addresses or not all(self._may_reach(address) for address in addresses):
            raise UrlNotAllowed

    def client(self, *, timeout: Timeout, at_most: int, verify: ssl.SSLContext | bool = True) -> httpx2.Client:
        """Return a client that raises UrlNotAllowed instead of going anywhere else."""
        limits = httpx2.Limits(max_connections=at_most, max_keepalive_connections=at_most)
        transport = CheckedTransport(self, limits=limits, verify=verify)
        return httpx2.Client(transport=transport, timeout=_timeout(timeout), headers=_HEADERS, **_ON_ITS_OWN)

    def async_client(
        self, *, timeout: Timeout, at_most: int, verify: ssl.SSLContext | bool = True
    ) -> httpx2.AsyncClient:
        """Return the same for coroutines."""
        limits = httpx2.Limits(max_connections=at_most, max_keepalive_connections=at_most)
        transport = AsyncCheckedTransport(self, limits=limits, verify=verify)
        return httpx2.AsyncClient(transport=transport, timeout=_timeout(timeout), headers=_HEADERS, **_ON_ITS_OWN)

    def start_resolving(self, name: str) -> "Future[Sequence[str]]":
        """Begin to ask for the addresses of a name."""
        return _resolving.submit(self.resolve, name)

    def _may_reach(self, address: str) -> bool:
        return is_public(address) or (self.allows_loopback and is_loopback(address))


def outbound() -> Outbound:
    """Return where the settings allow requests to go."""
    return Outbound(allows_loopback=settings.OUTBOUND_TO_LOOPBACK)


_HEADERS: Final = {"Accept-Encoding": "identity", "User-Agent": "Orderly/1"}
_ON_ITS_OWN: Final[dict[str, Any]] = {"follow_redirects": False, "trust_env": False}


class CheckedTransport(httpx2.HTTPTransport):
    """Sends requests to checked addresses only; connections are kept by the name of the host."""

    def __init__(self, policy: Outbound, *, limits: httpx2.Limits, verify: ssl.SSLContext | bool) -> None:
        super().__init__(verify=verify, trust_env=False, limits=limits)
        self._policy = policy
        self._pool = httpcore2.ConnectionPool(
            ssl_context=httpx2.create_ssl_context(verify=verify, trust_env=False),
            max_connections=limits.max_connections,
            max_keepalive_connections=limits.max_keepalive_connections,
            keepalive_expiry=limits.keepalive_expiry,
            network_backend=_CheckedBackend(policy),
        )

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send the request, or raise UrlNotAllowed before anything is sent."""
        self._policy.check_form(request.url)
        response = super().handle_request(request)
        return _kept_small(response, _ShortStream(response.stream))


class AsyncCheckedTransport(httpx2.AsyncHTTPTransport):
    """The same for coroutines."""

    def __init__(self, policy: Outbound, *, limits: httpx2.Limits, verify: ssl.SSLContext | bool) -> None:
        super().__init__(verify=verify, trust_env=False, limits=limits)
        self._policy = policy
        self._pool = httpcore2.AsyncConnectionPool(
            ssl_context=httpx2.create_ssl_context(verify=verify, trust_env=False),
            max_connections=limits.max_connections,
            max_keepalive_connections=limits.max_keepalive_connections,
            keepalive_expiry=limits.keepalive_expiry,
            network_backend=_AsyncCheckedBackend(policy),
        )

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send the request, or raise UrlNotAllowed before anything is sent."""
        self._policy.check_form(request.url)
        response = await super().handle_async_request(request)
        return _kept_small(response, _AsyncShortStream(response.stream))


class _CheckedBackend(httpcore2.SyncBackend):
    """Connects a name to the first of its checked addresses that answers."""

    def __init__(self, policy: Outbound) -> None:
        self._policy = policy

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.NetworkStream:
        clock = _Clock(timeout)
        addresses = self._addresses_of(host, clock)
        self._policy.check_addresses(addresses)
        *others, last = addresses[:TRIED_ADDRESSES]
        for place, address in enumerate(others):
            share = clock.share(of=len(others) + 1 - place)
            with suppress(httpcore2.ConnectError, httpcore2.ConnectTimeout):
                return super().connect_tcp(address, port, share, local_address, socket_options)
        return super().connect_tcp(last, port, clock.left, local_address, socket_options)

    def _addresses_of(self, host: str, clock: "_Clock") -> Sequence[str]:
        question = self._policy.start_resolving(host)
        try:
            return question.result(timeout=clock.left)
        except TimeoutError:
            question.cancel()
            raise httpcore2.ConnectTimeout("the name was not resolved in time") from None
        except (OSError, UnicodeError) as error:
            raise httpcore2.ConnectError(str(error)) from error


class _AsyncCheckedBackend(httpcore2.AnyIOBackend):
    """The same for coroutines."""

    def __init__(self, policy: Outbound) -> None:
        self._policy = policy

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - its signature
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        clock = _Clock(timeout)
        addresses = await self._addresses_of(host, clock)
        self._policy.check_addresses(addresses)
        *others, last = addresses[:TRIED_ADDRESSES]
        for place, address in enumerate(others):
            share = clock.share(of=len(others) + 1 - place)
            with suppress(httpcore2.ConnectError, httpcore2.ConnectTimeout):
                return await super().connect_tcp(address, port, share, local_address, socket_options)
        return await super().connect_tcp(last, port, clock.left, local_address, socket_options)

    async def _addresses_of(self, host: str, clock: "_Clock") -> Sequence[str]:
        try:
            async with asyncio.timeout(clock.left):
                return await asyncio.wrap_future(self._policy.start_resolving(host))
        except TimeoutError:
            raise httpcore2.ConnectTimeout("the name was not resolved in time") from None
        except (OSError, UnicodeError) as error:
            raise httpcore2.ConnectError(str(error)) from error


class _Clock:
    """What is left of a time-out."""

    def __init__(self, seconds: float | None) -> None:
        self._until = None if seconds is None else time.monotonic() + seconds

    @property
    def left(self) -> float | None:
        """Return how many seconds are left; a connection gets one moment at least."""
        return self.share(of=1)

    def share(self, *, of: int) -> float | None:
        """Return what one of so many tries may take."""
        return None if self._until is None else max(0.001, (self._until - time.monotonic()) / of)


class _ShortStream(httpx2.SyncByteStream):
    """The body of an answer, as far as anybody reads."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def __iter__(self) -> Iterator[bytes]:
        left = LONGEST_ANSWER
        for part in self._stream:
            left = _less(left, part)
            yield part

    def close(self) -> None:
        self._stream.close()


class _AsyncShortStream(httpx2.AsyncByteStream):
    def __init__(self, stream: Any) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        left = LONGEST_ANSWER
        async for part in self._stream:
            left = _less(left, part)
            yield part

    async def aclose(self) -> None:
        await self._stream.aclose()


def _less(left: int, part: bytes) -> int:
    if len(part) > left:
        raise AnswerTooLong(AnswerTooLong.__doc__ or "")
    return left - len(part)


def _kept_small(response: httpx2.Response, stream: _ShortStream | _AsyncShortStream) -> httpx2.Response:
    """Return the response with a body that ends, and that nobody inflates: encodings were not asked for."""
    headers = [(name, value) for name, value in response.headers.raw if name.lower() != b"content-encoding"]
    return httpx2.Response(response.status_code, headers=headers, stream=stream, extensions=response.extensions)


def _timeout(timeout: Timeout) -> httpx2.Timeout:
    connect = timeout.connect
    return httpx2.Timeout(connect=connect, write=connect, pool=connect, read=timeout.answer)


def _ascii_host(url: httpx2.URL) -> str:
    return url.raw_host.decode("ascii").strip("[]")
