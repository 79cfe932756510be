"""Another server: takes requests on a port of its own, answers as it is told, and keeps what it was sent."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import orjson


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A request as it arrived."""

    headers: Mapping[str, str]
    body: bytes

    @property
    def id(self) -> str:
        """Return what the sender calls it."""
        return self.headers["webhook-id"]

    @property
    def json(self) -> Any:
        """Return what it says."""
        return orjson.loads(self.body)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the server answers, and after how many seconds."""

    status: int = 204
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    after: float = 0.0


TAKEN = Answer()


@dataclass(slots=True)
class Receiver:
    """What a server was sent; ``answers`` decides on the answer to each request."""

    url: str = ""
    received: list[Received] = field(default_factory=list)
    answers: Callable[[Received], Answer] = lambda _: TAKEN
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def ids(self) -> list[str]:
        """Return the ids of the requests, in the order of their arrival."""
        return [each.id for each in self.received]


@contextmanager
def listening() -> Iterator[Receiver]:
    """Run a server on this machine."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            """Keep the request, and answer."""
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received = Received(headers={name.lower(): value for name, value in self.headers.items()}, body=body)
            with receiver.lock:
                receiver.received.append(received)
            answer = receiver.answers(received)
            if answer.after:
                time.sleep(answer.after)
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            if answer.status != 204:
                self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    receiver.url = f"http://127.0.0.1:{server.server_port}/hooks"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
