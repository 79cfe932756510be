"""The front: one port for requests, which Django answers in threads over WSGI, and for what outlasts them.

Granian calls it by RSGI (github.com/emmett-framework/granian, docs/spec/RSGI.md). Django's own ASGI handler costs
more than twice the CPU of its WSGI handler; handing a request to a thread costs some hundredths of a millisecond.
A view that is not done with its answer leaves a continuation in the WSGI environment; it runs on the event loop,
where it takes neither a thread nor a connection to the database.
"""

import asyncio
import os
import resource
import signal
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import IO, Any, Final, Protocol, TypeVar
from uuid import uuid4

import structlog
from django.http import HttpRequest
from granian.rsgi import Scope

from shared.http.failures import DEFECT
from shared.http.problems import Problem, problem_response
from shared.server.bodies import BodyTooLarge, ReaderGone, body_of, path_of, send_chunks
from shared.server.draining import begin_draining, is_draining
from shared.server.environ import environ_of
from shared.server.exchange import CONTINUATION, Continuation, Exchange, Headers, HTTPProtocol, send_answer
from shared.server.threads import NoRoom, Threads

MOST_FILES: Final = 10_000
BUSY: Final = Problem(
    status=503,
    code="server_busy",
    detail="More requests wait than can be answered soon; try again in a moment.",
    headers={"Retry-After": "1"},
)
TOO_LARGE: Final = Problem(status=413, code="body_too_large", detail="A body has at most 32 MiB.")

WsgiApplication = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
Unfinished = tuple[Exchange, Continuation]
T = TypeVar("T")

_log = structlog.get_logger(__name__)


class Service(Protocol):
    """Something that lives on the event loop, as long as the process does."""

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin."""

    async def stop(self) -> None:
        """Let go of everything."""


class Application:
    """An RSGI application that answers by a WSGI application in threads."""

    def __init__(
        self,
        *,
        wsgi: WsgiApplication,
        threads: int,
        most_waiting: int,
        notice: float,
        services: Sequence[Service] = (),
        extras: Mapping[str, object] | None = None,
    ) -> None:
        """Answer by this WSGI application, whose environment gets the extras as well.

        ``notice`` is how many seconds the port stays open after the process began to say that it will stop.
        """
        self._wsgi = wsgi
        self._threads = Threads(count=threads, most_waiting=most_waiting)
        self._notice = notice
        self._services = services
        self._extras = {CONTINUATION: None, **(extras or {})}
        self._loop: asyncio.AbstractEventLoop

    def __rsgi_init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin to work in a process of the server; Granian calls it before it accepts connections."""
        self._loop = loop
        allow_many_connections()
        loop.add_signal_handler(signal.SIGTERM, self._drain)
        self._threads.start()
        for service in self._services:
            service.start(loop)

    def __rsgi_del__(self, loop: asyncio.AbstractEventLoop) -> None:
        """End; Granian calls it once all connections are closed."""
        for service in self._services:
            loop.run_until_complete(service.stop())

    async def __rsgi__(self, scope: Scope, protocol: HTTPProtocol) -> None:
        """Answer a request."""
        answered: asyncio.Future[Unfinished | None] = self._loop.create_future()
        try:
            body, length = await body_of(scope, protocol)
            self._threads.submit(partial(self._answer, scope, protocol, body, length, answered))
        except NoRoom:
            _refuse(scope, protocol, BUSY)
            return
        except BodyTooLarge:
            _refuse(scope, protocol, TOO_LARGE)
            return
        unfinished = await answered
        if unfinished is not None:
            await _go_on(*unfinished)

    async def in_thread(self, work: Callable[[], T]) -> T:
        """Do the work in one of the threads; raise what it raises, or NoRoom."""
        done: asyncio.Future[T] = self._loop.create_future()

        def run() -> None:
            try:
                result = work()
            except Exception as error:  # noqa: BLE001 - raised again where the work was asked for
                self._call_back(done.set_exception, error)
            else:
                self._call_back(done.set_result, result)

        self._threads.submit(run)
        return await done

    def _answer(
        self,
        scope: Scope,
        protocol: HTTPProtocol,
        body: IO[bytes],
        length: int,
        answered: "asyncio.Future[Unfinished | None]",
    ) -> None:
        """Answer in a thread; resolve the future with what is left to do on the event loop."""
        unfinished: Unfinished | None = None
        try:
            unfinished = self._call_wsgi(protocol, environ_of(scope, body, length) | self._extras)
        except ReaderGone:
            _log.info("client_gone", path=scope.path)
        except Exception as error:  # noqa: BLE001 - whatever it is, the client gets an answer and the log the reason
            _log.error("request_failed", exc_info=error)
            _refuse(scope, protocol, DEFECT)
        finally:
            body.close()
            self._call_back(answered.set_result, unfinished)

    def _call_wsgi(self, protocol: HTTPProtocol, environ: dict[str, Any]) -> Unfinished | None:
        status, headers = 500, []

        def start_response(line: str, given: Headers, _: object = None) -> None:
            nonlocal status, headers
            status, headers = int(line[:3]), given

        result = self._wsgi(environ, start_response)
        try:
            continuation: Continuation | None = environ[CONTINUATION]
            if continuation is None:
                _send(protocol, status, headers, result, method=environ["REQUEST_METHOD"])
                return None
            answer = b"".join(result)
        finally:
            if hasattr(result, "close"):
                result.close()  # Django gives its connection to the database back
        exchange = Exchange(protocol=protocol, status=status, headers=headers, body=answer, in_thread=self.in_thread)
        return exchange, continuation

    def _call_back(self, callback: Callable[[T], None], result: T) -> None:
        try:
            self._loop.call_soon_threadsafe(callback, result)
        except RuntimeError:  # the loop is closed: the process was told to end at once
            _log.warning("answered_too_late")

    def _drain(self) -> None:
        """Say that the process will stop, leave the balancer time to notice, and hand over to Granian.

        Granian stops accepting and waits for its connections on SIGINT as it does on SIGTERM.
        """
        if not is_draining():
            begin_draining()
            self._loop.call_later(self._notice, os.kill, os.getpid(), signal.SIGINT)


def allow_many_connections() -> None:
    """Raise the soft limit of open files: many systems give 1,024, and each connection is one (getrlimit(2))."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_FILES if hard == resource.RLIM_INFINITY else min(MOST_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


async def _go_on(exchange: Exchange, continuation: Continuation) -> None:
    try:
        await continuation(exchange)
    except Exception as error:  # noqa: BLE001 - a connection of its own: nobody else may suffer
        _log.error("continuation_failed", exc_info=error)


def _send(protocol: HTTPProtocol, status: int, headers: Headers, result: Iterable[bytes], *, method: str) -> None:
    if not getattr(result, "streaming", False):  # Django's word for a body that is made while it is sent
        send_answer(protocol, status, headers, b"".join(result))
    elif method == "HEAD":
        send_answer(protocol, status, headers, b"")
    elif path := path_of(result):
        protocol.response_file(status, headers, path)
    else:
        send_chunks(protocol, status, headers, result)


def _refuse(scope: Scope, protocol: HTTPProtocol, problem: Problem) -> None:
    request = HttpRequest()
    request.path = scope.path
    request_id = uuid4().hex
    with structlog.contextvars.bound_contextvars(request_id=request_id):
        response = problem_response(request, problem)
    headers = [*response.items(), ("X-Request-ID", request_id)]
    send_answer(protocol, response.status_code, headers, response.content)
