"""What a view may leave behind when its answer is not the end: work on the event loop, with the connection in hand."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeVar

from shared.server.draining import is_draining

Headers = list[tuple[str, str]]
CLOSE: Final = ("Connection", "close")
T = TypeVar("T")

#: The place in the WSGI environment for a view's continuation; other servers do not have it.
CONTINUATION: Final = "orderly.continuation"


class Transport(Protocol):
    """An open answer, as RSGI has it; it takes whatever it is given and never makes the sender wait."""

    def send_bytes(self, data: bytes) -> Awaitable[None]: ...


class HTTPProtocol(Protocol):
    """The connection of a request, as RSGI has it; answers may be given in any thread."""

    def __call__(self) -> Awaitable[bytes]: ...

    def __aiter__(self) -> AsyncIterator[bytes]: ...

    def client_disconnect(self) -> Awaitable[None]: ...

    def response_empty(self, status: int, headers: Headers) -> None: ...

    def response_bytes(self, status: int, headers: Headers, body: bytes) -> None: ...

    def response_file(self, status: int, headers: Headers, file: str) -> None: ...

    def response_stream(self, status: int, headers: Headers) -> Transport: ...


class InThread(Protocol):
    """Does work in a thread of the server and returns what came of it."""

    async def __call__(self, work: Callable[[], T]) -> T: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """An answered request whose answer is not sent yet; it holds neither a thread nor a connection to the database."""

    protocol: HTTPProtocol
    status: int
    headers: Headers
    body: bytes
    in_thread: InThread

    def send(self) -> None:
        """Send the answer as it is."""
        send_answer(self.protocol, self.status, self.headers, self.body)


Continuation = Callable[[Exchange], Awaitable[None]]


def can_continue(environ: dict[str, Any]) -> bool:
    """Tell whether the server of this request takes a continuation."""
    return CONTINUATION in environ


def send_answer(protocol: HTTPProtocol, status: int, headers: Headers, body: bytes) -> None:
    """Send a whole answer; may be called in any thread. A process that stops asks for no more on the connection."""
    if is_draining():
        headers = [*headers, CLOSE]
    if body:
        protocol.response_bytes(status, headers, body)
    else:
        protocol.response_empty(status, headers)
