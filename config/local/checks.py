"""What must hold before anything is started, each with a message that tells what to do."""

import shutil
from collections.abc import Mapping
from pathlib import Path

from config.local.checkout import CannotRun
from shared.embedded.files import free_port, is_free

DEFAULT_PORT = 8000
NEEDED_BYTES = 500_000_000
PORTS_TO_SUGGEST = 50


def wanted_port(environment: Mapping[str, str]) -> int:
    """Return the port of the web server, from PORT; raise CannotRun when it is none."""
    text = environment.get("PORT") or str(DEFAULT_PORT)
    if not text.isdigit() or not 0 < int(text) < 65_536:
        raise CannotRun(f"PORT={text} is not a TCP port: choose one from 1 to 65535, as in `PORT=8001 make run`.")
    return int(text)


def check_port(port: int, *, host: str) -> None:
    """Raise CannotRun when another program has the port."""
    if is_free(port, host=host):
        return
    following = range(port + 1, min(port + PORTS_TO_SUGGEST, 65_536))
    other = next((candidate for candidate in following if is_free(candidate, host=host)), None) or free_port()
    raise CannotRun(
        f"Port {port} is taken by another program. End that program, or choose another port: `PORT={other} make run`."
    )


def check_disk(directory: Path) -> None:
    """Raise CannotRun when the disk is nearly full."""
    free = shutil.disk_usage(directory).free
    if free < NEEDED_BYTES:
        raise CannotRun(
            f"Only {free // 1_000_000} MB are free on the disk of {directory}; "
            f"{NEEDED_BYTES // 1_000_000} MB are needed. Make room, then try again."
        )
