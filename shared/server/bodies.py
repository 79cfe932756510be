"""Bodies in and out: requests are read before they take a thread, long answers wait for a slow reader."""

import contextlib
import os
import select
import tempfile
import time
from collections.abc import Iterable
from io import BufferedReader, BytesIO
from itertools import chain
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import IO, Final

from granian.rsgi import Scope

from shared.server.exchange import Headers, HTTPProtocol, send_answer

KEPT_IN_MEMORY: Final = 1024 * 1024  # bytes; what is longer lies on disk while it is worked on
SHORT: Final = 64 * 1024  # bytes; what is shorter is sent at once
MOST: Final = 32 * 1024 * 1024  # bytes
OPENED_WITHIN: Final = 5.0  # seconds
WAITED_FOR_A_READER: Final = 30.0  # seconds
BODILESS: Final = frozenset({"GET", "HEAD"})


class BodyTooLarge(Exception):
    """The body of the request is longer than any that is accepted here."""


class ReaderGone(Exception):
    """The client has hung up, or reads nothing any more."""


async def body_of(scope: Scope, protocol: HTTPProtocol) -> tuple[IO[bytes], int]:
    """Return the body of the request and its length in bytes, or raise BodyTooLarge once it is read that far."""
    if scope.method in BODILESS:
        return BytesIO(), 0
    declared = scope.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) <= KEPT_IN_MEMORY:
        received = await protocol()
        return BytesIO(received), len(received)
    spool = SpooledTemporaryFile(max_size=KEPT_IN_MEMORY)  # noqa: SIM115 - closed by who reads it
    length = 0
    async for chunk in protocol:
        length += len(chunk)
        if length > MOST:
            spool.close()
            raise BodyTooLarge
        spool.write(chunk)
    spool.seek(0)
    return spool, length


def send_chunks(protocol: HTTPProtocol, status: int, headers: Headers, chunks: Iterable[bytes]) -> None:
    """Send an answer while it is made, by the thread that makes it, or raise ReaderGone."""
    rest = iter(chunks)
    begun = bytearray()
    for chunk in rest:
        begun += chunk
        if len(begun) > SHORT:
            return _send_through_pipe(protocol, status, headers, chain((bytes(begun),), rest))
    return send_answer(protocol, status, headers, bytes(begun))


def path_of(answer: object) -> str | None:
    """Return the path of the file that is the whole answer, if it is one (Django's FileResponse)."""
    file = getattr(answer, "file_to_stream", None)
    return file.name if isinstance(file, BufferedReader) and isinstance(file.name, str) else None


def _send_through_pipe(protocol: HTTPProtocol, status: int, headers: Headers, chunks: Iterable[bytes]) -> None:
    """Write a long answer as fast as the client reads.

    RSGI's own streams take whatever they are given and keep it in memory until the client has read it. So Granian
    reads the answer from a pipe with a name, whose 64 KiB hold the writer back (fifo(7)).
    """
    with tempfile.TemporaryDirectory(prefix="orderly-answer-") as directory:
        path = Path(directory) / "pipe"
        os.mkfifo(path, mode=0o600)
        protocol.response_file(status, headers, str(path))
        pipe = _open_for_writing(path)
    try:
        for chunk in chunks:
            _write(pipe, chunk)
    finally:
        os.close(pipe)


def _open_for_writing(path: Path) -> int:
    deadline = time.monotonic() + OPENED_WITHIN
    while True:
        with contextlib.suppress(OSError):  # until the reader has opened it
            return os.open(path, os.O_WRONLY | os.O_NONBLOCK)
        if time.monotonic() > deadline:
            raise ReaderGone
        time.sleep(0.001)


def _write(pipe: int, chunk: bytes) -> None:
    left = memoryview(chunk)
    while left:
        _, writable, _ = select.select([], [pipe], [], WAITED_FOR_A_READER)
        if not writable:
            raise ReaderGone
        try:
            left = left[os.write(pipe, left) :]
        except BlockingIOError:
            continue
        except BrokenPipeError:
            raise ReaderGone from None
