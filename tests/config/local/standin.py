"""Trivial programs in the place of the real ones: each tells its process id and waits."""

import json
import os
import signal
import subprocess
import sys
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

NAME = sys.argv[1]
BEHAVIOUR = os.environ.get(f"STANDIN_{NAME.upper()}", "")


class Answer(BaseHTTPRequestHandler):
    """Say that all is well, or not."""

    def do_GET(self) -> None:
        """Answer any question alike."""
        self.send_response(HTTPStatus.SERVICE_UNAVAILABLE if BEHAVIOUR == "unready" else HTTPStatus.OK)
        self.end_headers()
        self.wfile.write(json.dumps({"checks": {"migrations": "2 are not applied"}}).encode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (its base says so)
        """Keep quiet."""


def main() -> None:
    """Behave as the environment wants."""
    sys.stdout.write(f"hello from {NAME}\n")
    sys.stdout.flush()
    Path(f"{NAME}.pid").write_text(str(os.getpid()))
    if BEHAVIOUR == "fails":
        sys.exit(f"{NAME} has no more paper")
    if BEHAVIOUR == "stubborn":  # it ends when asked, but has a child that will not
        child = subprocess.Popen(["/bin/sh", "-c", "trap '' TERM; while :; do sleep 0.2; done"])
        Path(f"{NAME}-child.pid").write_text(str(child.pid))
    if NAME in ("migrate", "seed") and BEHAVIOUR != "slow":
        return
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    if NAME == "web":
        HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Answer).serve_forever()
    signal.pause()


if __name__ == "__main__":
    main()
