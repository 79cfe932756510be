"""The server that a replay talks to: the one that runs, or one that runs for as long as the replay."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2

from shared.embedded.files import free_port

START_WITHIN = 120.0  # seconds
STOP_WITHIN = 30.0  # seconds


class ServerDidNotStart(RuntimeError):
    """The server for the replay did not become ready; see the log that is named."""


@contextmanager
def server_at(url: str, *, log: Path) -> Iterator[str]:
    """Give the URL of a ready server: the given one, or that of a system started for the block alone."""
    if is_ready(url):
        yield url
        return
    port = free_port()
    log.parent.mkdir(exist_ok=True)
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "config.local", "run"],
            env=os.environ | {"PORT": str(port)},
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        yield _wait_for(f"http://127.0.0.1:{port}", process, log=log)
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=STOP_WITHIN)


def is_ready(url: str) -> bool:
    """Tell whether a server answers there and is ready."""
    try:
        return httpx2.get(f"{url}/readyz", timeout=3).status_code == 200
    except httpx2.TransportError:
        return False


def _wait_for(url: str, process: subprocess.Popen[bytes], *, log: Path) -> str:
    deadline = time.monotonic() + START_WITHIN
    while time.monotonic() < deadline and process.poll() is None:
        if is_ready(url):
            return url
        time.sleep(0.2)
    raise ServerDidNotStart(f"the server did not become ready; see {log}")
