"""Read requests and write answers over ASGI, or break the connection as a bad network would."""

import os
import socket
import stat
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import orjson

from contexts.payments.simulator.refusals import NoAnswer, Refusal

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

MAX_BODY_BYTES = 64 * 1024
# A refused body is read up to here, so that the client gets to read the refusal.
MAX_DRAINED_BYTES = 8 * 1024 * 1024


class PayloadTooLarge(Refusal):
    """The body is larger than 64 KiB."""

    status, code = 413, "payload_too_large"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request, read whole."""

    method: str
    path: str
    query: bytes
    headers: dict[bytes, bytes]
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """One answer, written whole."""

    status: int
    body: bytes
    headers: tuple[tuple[bytes, bytes], ...] = field(default=())


def as_json(*, status: int = 200, content: object) -> Response:
    """Answer with JSON."""
    return Response(status=status, body=orjson.dumps(content))


async def read_request(*, scope: Scope, receive: Receive) -> Request:
    """Read the request to its end, or raise PayloadTooLarge, or NoAnswer if the client has gone."""
    headers = dict(scope["headers"])
    body = b""
    if scope["method"] in {"POST", "PUT", "PATCH"}:
        body = await _read_body(receive, headers.get(b"content-length"))
    return Request(method=scope["method"], path=scope["path"], query=scope["query_string"], headers=headers, body=body)


async def send_response(*, response: Response, send: Send) -> None:
    """Write the answer."""
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(response.body)),
        *response.headers,
    ]
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": response.body})


def break_connection(*, scope: Scope) -> None:
    """Shut the client's socket, so that it gets no answer at all.

    ASGI has no way to say this; the socket is found among the open files of the process by its peer.
    """
    host, port = scope["client"]
    for name in os.listdir("/dev/fd"):
        with suppress(OSError):
            if stat.S_ISSOCK(os.fstat(int(name)).st_mode):
                with socket.socket(fileno=os.dup(int(name))) as candidate:
                    if candidate.getpeername()[:2] == (host, int(port)):
                        candidate.shutdown(socket.SHUT_RDWR)


async def _read_body(receive: Receive, content_length: bytes | None) -> bytes:
    expected = int(content_length) if content_length else None
    chunks: list[bytes] = []
    size = 0
    while expected is None or size < expected:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise NoAnswer
        chunk = message.get("body", b"")
        size += len(chunk)
        if size <= MAX_BODY_BYTES:
            chunks.append(chunk)
        if size > MAX_DRAINED_BYTES or not message.get("more_body"):
            break
    if size > MAX_BODY_BYTES:
        raise PayloadTooLarge
    return b"".join(chunks)
