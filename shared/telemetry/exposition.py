"""What a long-running process does about its metrics beside the requests that it serves."""

import threading
from collections.abc import Iterable
from typing import Any
from wsgiref.simple_server import make_server

import structlog
from django.conf import settings
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.exposition import ThreadingWSGIServer, _SilentHandler

from shared.telemetry.metrics import REFUSED, may_look, processes
from shared.telemetry.pool import PoolWatch

_log = structlog.get_logger(__name__)


def watch_this_process() -> None:
    """Have the figures of the database pool copied for as long as the process lives."""
    threading.Thread(target=PoolWatch().run, name="watch-pool", daemon=True).start()


def expose_this_process() -> None:
    """Watch the process, and serve its metrics at ``settings.METRICS_PORT`` if that is not 0.

    For processes without a web server of their own, on a machine that shares no directory with one. Raises OSError
    when the port is taken.
    """
    watch_this_process()
    if not settings.METRICS_PORT:
        return
    server = make_server("", settings.METRICS_PORT, _answer, ThreadingWSGIServer, handler_class=_SilentHandler)
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()
    _log.info("metrics_exposed", port=server.server_port)


def _answer(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    if not may_look(environ.get("HTTP_AUTHORIZATION", "")):
        start_response("401 Unauthorized", [("Content-Type", "text/plain")])
        return [REFUSED.encode()]
    start_response("200 OK", [("Content-Type", CONTENT_TYPE_LATEST)])
    return [generate_latest(processes())]
