"""Small files in the data directory: secrets, remembered ports, locks, and the ends of logs."""

import fcntl
import os
import random
import secrets
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from shared.embedded.errors import EmbeddedServerError

LOOPBACK = "127.0.0.1"
LOG_LIMIT_BYTES = 10_000_000
LOCK_POLL_SECONDS = 0.05
LISTENING_PORTS = (20_000, 32_000)
PORT_TRIES = 50


def write_private(path: Path, text: str) -> None:
    """Replace the file in one step by one that only its owner may read (mode 0600)."""
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    partial.replace(path)


def read_or_empty(path: Path) -> str:
    """Return the text of the file without surrounding blanks, or nothing when it is absent."""
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""


def remembered_secret(path: Path) -> str:
    """Return the secret kept in the file; draw one of 192 random bits at the first call."""
    if not read_or_empty(path):
        write_private(path, secrets.token_urlsafe(24))
    return read_or_empty(path)


def remembered_port(path: Path) -> int | None:
    """Return the port kept in the file, or None when there is none."""
    text = read_or_empty(path)
    return int(text) if text.isdigit() else None


def free_port() -> int:
    """Return a TCP port of the loopback interface that nobody uses now.

    It lies below the ports that kernels give to outgoing connections (32768 and up on Linux, 49152 and up elsewhere).
    From those, a client that keeps asking for a stopped server can end up connected to itself, on the server's port.
    """
    for _ in range(PORT_TRIES):
        port = random.randint(*LISTENING_PORTS)  # noqa: S311 - not a secret
        if is_free(port):
            return port
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        given: int = probe.getsockname()[1]
        return given


def is_free(port: int, *, host: str = LOOPBACK) -> bool:
    """Tell whether a server could listen on the port and none answers there yet."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    with socket.socket() as client:  # macOS lets one bind beside a server that listens on all addresses
        client.settimeout(1)
        return client.connect_ex((LOOPBACK, port)) != 0


def first_choice_of_ports(*candidates: int | None) -> int:
    """Return the first candidate that is free, else any free port."""
    return next((port for port in candidates if port is not None and is_free(port)), None) or free_port()


def cap_log(path: Path) -> int:
    """Set a log beyond 10 MB aside and return the size of what is left, in bytes."""
    if path.exists() and path.stat().st_size > LOG_LIMIT_BYTES:
        path.replace(path.with_suffix(".old"))
    path.touch(mode=0o600)
    return path.stat().st_size


def tail(path: Path, *, since: int = 0, lines: int = 12) -> str:
    """Return the last lines of a file, leaving out its first `since` bytes."""
    try:
        with path.open("rb") as file:
            file.seek(since)
            text = file.read().decode(errors="replace")
    except OSError:
        return ""
    return "\n".join(text.strip().splitlines()[-lines:])


@contextmanager
def locked(path: Path, *, seconds: float) -> Iterator[None]:
    """Hold the file's lock; the kernel gives it back when this process dies, however it dies."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        deadline = time.monotonic() + seconds
        while not try_lock(descriptor):
            if time.monotonic() >= deadline:
                raise EmbeddedServerError(
                    f"Another command has been starting or stopping the servers of {path.parent} for "
                    f"{seconds:.0f} s: wait for it or end it, then try again."
                )
            time.sleep(LOCK_POLL_SECONDS)
        yield
    finally:
        os.close(descriptor)


def try_lock(descriptor: int) -> bool:
    """Take the lock of an open file and tell whether nobody else had it (flock(2))."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
