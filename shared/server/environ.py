"""A request as Granian's RSGI gives it, turned into what a WSGI application reads (PEP 3333)."""

import sys
from functools import lru_cache
from typing import IO, Any, Final

from granian.rsgi import Scope

BASE: Final[dict[str, Any]] = {
    "GATEWAY_INTERFACE": "CGI/1.1",
    "SCRIPT_NAME": "",
    "SERVER_SOFTWARE": "Granian",
    "wsgi.errors": sys.stderr,
    "wsgi.input_terminated": True,
    "wsgi.multiprocess": True,
    "wsgi.multithread": True,
    "wsgi.run_once": False,
    "wsgi.version": (1, 0),
}


def environ_of(scope: Scope, body: IO[bytes], length: int) -> dict[str, Any]:
    """Return the environment of the request; ``length`` is that of the body, in bytes.

    A header with an underscore in its name is left out: it could pass for another one, such as X-Forwarded-Proto.
    """
    environ = BASE.copy()
    server, _, port = scope.server.rpartition(":")
    environ["REQUEST_METHOD"] = scope.method
    environ["PATH_INFO"] = scope.path if scope.path.isascii() else scope.path.encode().decode("latin-1")
    environ["QUERY_STRING"] = scope.query_string
    environ["SERVER_NAME"] = server
    environ["SERVER_PORT"] = port
    environ["SERVER_PROTOCOL"] = f"HTTP/{scope.http_version}"
    environ["REMOTE_ADDR"] = scope.client.rpartition(":")[0].strip("[]")
    environ["wsgi.url_scheme"] = scope.scheme
    environ["wsgi.input"] = body
    for name, value in scope.headers.items():
        key = _key_of(name)
        if key is None:
            continue
        if key in environ:
            environ[key] += ("; " if key == "HTTP_COOKIE" else ",") + value
        else:
            environ[key] = value
    if scope.authority is not None:  # HTTP/2 has no Host
        environ.setdefault("HTTP_HOST", scope.authority)
    if length:
        environ["CONTENT_LENGTH"] = str(length)
    return environ


@lru_cache(maxsize=512)
def _key_of(name: str) -> str | None:
    if "_" in name:
        return None
    key = name.upper().replace("-", "_")
    return key if key in {"CONTENT_TYPE", "CONTENT_LENGTH"} else f"HTTP_{key}"
