"""Ways to get at the servers: for a command, for a block of code, and for one test run."""

import atexit
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from shared.embedded.directory import remove
from shared.embedded.servers import BOTH, LocalServers


def ensure_urls(data_dir: Path) -> None:
    """Set DATABASE_URL and REDIS_URL, where absent, to servers that live in the data directory.

    Servers that run already (`make run` is on) are used; else they are started, and stopped at the exit of
    the last command that uses them. Raises EmbeddedServerError, and EmbeddedServersMissing in production.
    """
    absent = [name for name in BOTH if not os.environ.get(name)]
    if not absent:
        return
    lease = LocalServers(directory=data_dir).acquire(purpose=_this_command(), urls=absent)
    os.environ.update(lease.urls)
    atexit.register(lease.release)


@contextmanager
def running_servers(data_dir: Path, *, purpose: str | None = None) -> Iterator[Mapping[str, str]]:
    """Give the URLs, by the name of their variable, of servers that run as long as the block does."""
    lease = LocalServers(directory=data_dir).acquire(purpose=purpose or _this_command())
    try:
        yield lease.urls
    finally:
        lease.release()


class ThrowawayServers:
    """PostgreSQL and Valkey in a temporary directory, fast and forgetful, gone with this process."""

    __slots__ = ("_lease", "directory")

    def __init__(self) -> None:
        """Start the servers; raises EmbeddedServerError and EmbeddedServersMissing."""
        self.directory = Path(tempfile.mkdtemp(prefix="orderly-")).resolve()
        servers = LocalServers(directory=self.directory, durable=False)
        last_will = ("shared.embedded", "sweep", "--remove", str(self.directory))
        try:
            self._lease = servers.acquire(purpose=_this_command(), last_will=last_will)
        except BaseException:
            remove(self.directory)
            raise

    @property
    def urls(self) -> Mapping[str, str]:
        """Return DATABASE_URL and REDIS_URL."""
        return self._lease.urls

    def stop(self) -> None:
        """Stop the servers and remove their directory; twice is harmless."""
        if self.directory.exists():
            self._lease.release()
            remove(self.directory)


@contextmanager
def throwaway_servers() -> Iterator[Mapping[str, str]]:
    """Give the URLs of throw-away servers that run as long as the block does."""
    servers = ThrowawayServers()
    try:
        yield servers.urls
    finally:
        servers.stop()


def _this_command() -> str:
    """Name the running command without its arguments, which may hold secrets."""
    program = Path(sys.argv[0]).name if sys.argv and sys.argv[0] else "python"
    return " ".join([program, *[word for word in sys.argv[1:2] if word.isidentifier()]])
