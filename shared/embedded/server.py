"""What PostgreSQL and Valkey have in common as servers of one directory.

All that is known about a server lies in its directory, so any process can find it again: the server's own
file with its process id, the port it had last, its password (mode 0600) and its log.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from shared.embedded.errors import EmbeddedServerError, ServerFailed
from shared.embedded.files import remembered_port, remembered_secret, tail
from shared.embedded.processes import ProcessId, wait_until

READY_SECONDS = 60.0
PORT_ATTEMPTS = 5
PORT_TAKEN = "Address already in use"


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopbackServer(ABC):
    """One server on the loopback interface.

    `port` is the first choice, else the one it had last; when somebody else has taken that, another is used.
    `durable=False` gives up safety against a power cut for the speed that tests want.
    """

    directory: Path
    port: int | None = None
    durable: bool = True

    title: ClassVar[str]
    stop_signals: ClassVar[tuple[tuple[int, float], ...]]

    @property
    @abstractmethod
    def url(self) -> str:
        """Return the URL of the server, or raise EmbeddedServerError before the first start."""

    def start(self) -> None:
        """Start the server, or find it running; repair what a crash has left behind.

        Raises EmbeddedServerError with the end of the server's log, and EmbeddedServersMissing.
        """
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        running = self._running()
        if running is None:
            self._launch()
        elif not wait_until(lambda: self._is_ready(running), seconds=READY_SECONDS):
            raise self._failure("runs but does not become ready", since=0)

    def stop(self) -> None:
        """Shut the server down; a server that does not run is left alone.

        Raises EmbeddedServerError when it survives every signal.
        """
        running = self._running()
        if running is not None and not running.stop(signals=self.stop_signals):
            raise self._failure(f"(process {running.pid}) does not stop", since=0)

    def is_running(self) -> bool:
        """Tell whether a server of this directory is alive, whoever started it."""
        return self._running() is not None

    @abstractmethod
    def _running(self) -> ProcessId | None:
        """Return the living server of this directory; a recycled process id is not taken for it."""

    @abstractmethod
    def _is_ready(self, process: ProcessId) -> bool:
        """Tell whether the process serves."""

    @abstractmethod
    def _launch(self) -> None:
        """Start a server that does not run and wait until it is ready."""

    @property
    def _root(self) -> Path:
        return self.directory.resolve()

    @property
    def _log(self) -> Path:
        return self._root / "server.log"

    @property
    def _port_file(self) -> Path:
        return self._root / "port"

    @property
    def _password_file(self) -> Path:
        return self._root / "password"

    @property
    def _password(self) -> str:
        return remembered_secret(self._password_file)

    def _last_port(self) -> int:
        port = remembered_port(self._port_file)
        if port is None:
            raise EmbeddedServerError(f"{self.title} in {self.directory} has not been started yet.")
        return port

    def _failure(self, what: str, *, since: int) -> ServerFailed:
        said = tail(self._log, since=since)
        return ServerFailed(what=f"{self.title} {what}", directory=self.directory, log=self._log, said=said)
