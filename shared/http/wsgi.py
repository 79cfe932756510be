"""Bodies that say their length, whichever way they came."""

from collections.abc import Callable, Iterable
from io import BytesIO
from typing import Any

from shared.http.failures import MAX_BODY

DRAINED_AT_MOST = 16 * 1024 * 1024  # bytes
Application = Callable[[dict[str, Any], Any], Iterable[bytes]]


class ReadChunkedBodies:
    """Read a body that comes in chunks (RFC 9112, section 7.1), which Django alone would take for an empty one."""

    def __init__(self, application: Application) -> None:
        self.application = application

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if "CONTENT_LENGTH" not in environ and "HTTP_TRANSFER_ENCODING" in environ:
            body = _read(environ["wsgi.input"])
            environ |= {"wsgi.input": BytesIO(body), "CONTENT_LENGTH": str(len(body))}
        return self.application(environ, start_response)


def _read(stream: Any) -> bytes:
    """Return the body, cut off where it is too large anyway; the rest is read away, so that the answer arrives."""
    body = bytes(stream.read(MAX_BODY + 1))
    drained = len(body)
    while drained < DRAINED_AT_MOST and (chunk := stream.read(64 * 1024)):
        drained += len(chunk)
    return body
