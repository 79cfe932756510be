"""A small WSGI application behind the front, for tests: each path shows one thing."""

import asyncio
import json
import os
import time
from collections.abc import Callable, Iterator
from io import BufferedReader
from pathlib import Path
from typing import Any

from shared.server.application import Application
from shared.server.draining import is_draining
from shared.server.exchange import CONTINUATION, Exchange

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.test")

THREADS = 2
MOST_WAITING = 2
NOTICE = 0.5  # seconds
CHUNK = b"x" * 65_536
CHUNKS = 1600  # 100 MiB

StartResponse = Callable[[str, list[tuple[str, str]]], object]


class Made:
    """A body that is made while it is sent; says how far it got and that it was closed."""

    streaming = True

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self.chunks = chunks

    def __iter__(self) -> Iterator[bytes]:
        for number, chunk in enumerate(self.chunks):
            _note("made", str(number))
            yield chunk

    def close(self) -> None:
        """Note that it was closed."""
        _note("closed", "yes")


class File(Made):
    """A body that is a file."""

    def __init__(self, file: BufferedReader) -> None:
        super().__init__(iter(file))
        self.file_to_stream = file


def wsgi(environ: dict[str, Any], start_response: StartResponse) -> Any:
    """Answer by the path."""
    match environ["PATH_INFO"]:
        case "/stream":
            start_response("200 OK", [("Content-Type", "text/csv")])
            return Made(CHUNK for _ in range(CHUNKS))
        case "/short-stream":
            start_response("200 OK", [("Content-Type", "text/csv")])
            return Made(iter([b"a,b\n", b"1,2\n"]))
        case "/file":
            start_response("200 OK", [("Content-Type", "text/x-python")])
            return File(Path(__file__).open("rb"))
        case "/defect":
            raise RuntimeError("the secret of the defect")
        case "/hold":
            _note("held", "yes")
            while not (_notes() / "let-go").exists():
                time.sleep(0.005)
        case "/later":
            environ[CONTINUATION] = _later
        case "/no-content":
            start_response("204 No Content", [])
            return [b""]
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    shown = {name: value for name, value in environ.items() if isinstance(value, str)}
    answer = json.dumps({"environ": shown, "length": len(body), "draining": is_draining()}).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(answer)))])
    return [answer]


async def _later(exchange: Exchange) -> None:
    await asyncio.sleep(0.05)
    found = await exchange.in_thread(lambda: "found in a thread")
    exchange.protocol.response_bytes(exchange.status, [], found.encode())


def _note(name: str, text: str) -> None:
    (_notes() / name).write_text(text)


def _notes() -> Path:
    return Path(os.environ["FRONT_NOTES"])


application = Application(wsgi=wsgi, threads=THREADS, most_waiting=MOST_WAITING, notice=NOTICE)
