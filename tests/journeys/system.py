"""A whole Orderly of real processes, on a database and a broker of its own."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx2
import psycopg

from contexts.payments.simulator.__main__ import DEFAULT_SECRET
from shared.embedded import LocalServers
from shared.embedded.files import free_port

ROOT = Path(__file__).resolve().parent.parent.parent
BIN = Path(sys.executable).parent
START_WITHIN = 60.0  # seconds
PROCESSES = ("psp", "web", "worker", "relay", "beat")
#: What every journey sends: see orders.py.
USED_BY_ALL = ("ada@example.com", "Lovelace", "Lindenstra", "tok_approved", "tok_declined", DEFAULT_SECRET)
T = TypeVar("T")
S = TypeVar("S", bound="System")


def eventually(probe: Callable[[], T | None], *, within: float = 20.0, what: str, every: float = 0.02) -> T:
    """Return the first answer of the probe that is not None or False; fail when there is none in time."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        answer = probe()
        if answer:
            return answer
        time.sleep(every)
    raise AssertionError(f"{what} did not happen within {within} seconds")


def is_gone(pid: int) -> bool:
    """Tell whether the process has ended, with its sockets closed; it may still wait to be noticed (proc(5))."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in {"Z", "X"}
    except OSError:
        return True


@dataclass(slots=True)
class System:
    """Server, worker, relay and PSP simulator, as processes that can be killed one by one."""

    database_url: str
    redis_url: str
    directory: Path
    port: int = field(default_factory=free_port)
    psp_port: int = field(default_factory=free_port)
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    api_key: str = ""
    told: Mapping[str, str] = field(default_factory=dict)
    hidden: set[str] = field(default_factory=set)

    @property
    def url(self) -> str:
        """Return where the server listens."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def environment(self) -> Mapping[str, str]:
        """Return what each process is told."""
        return os.environ | {
            "DJANGO_SETTINGS_MODULE": "config.settings.dev",
            "DATABASE_URL": self.database_url,
            "REDIS_URL": self.redis_url,
            "DATA_DIRECTORY": str(self.directory),
            "PSP_SIMULATOR_URL": f"http://127.0.0.1:{self.psp_port}",
            "PYTHONUNBUFFERED": "1",
            "WEB_THREADS": "8",
            "WEB_NOTICE_SECONDS": "0",
            **self.told,
        }

    @property
    def commands(self) -> Mapping[str, list[str]]:
        """Return how each process is started; the same lines as in the Procfile, with small numbers."""
        python = sys.executable
        web = (
            "--interface rsgi config.rsgi:application --loop uvloop --host 127.0.0.1 --workers 2 --no-ws"
            " --respawn-failed-workers"
        )
        worker = "worker --pool threads --concurrency 4 --without-gossip --without-mingle"
        return {
            "psp": [
                *(python, "-m", "contexts.payments.simulator", "--port", str(self.psp_port)),
                *("--ledger", str(self.directory / "psp.sqlite3"), "--verbose"),
            ],
            "web": [str(BIN / "granian"), *web.split(), "--port", str(self.port), "--backpressure", "2048"],
            "worker": [
                *(str(BIN / "celery"), "--app", "config.celery", *worker.split()),
                *("--queues", "deliveries,sagas,webhooks,bulk"),
            ],
            "relay": [python, "manage.py", "relay"],
            "webhooks": [python, "manage.py", "webhooks"],
            "beat": [
                *(str(BIN / "celery"), "--app", "config.celery", "beat"),
                *("--schedule", str(self.directory / "beat")),
            ],
        }

    def start(self, *names: str) -> None:
        """Start the named processes."""
        for name in names:
            self.start_as(name, kind=name)

    def start_as(self, name: str, *, kind: str, **told: str) -> None:
        """Start one more process of a kind under a name of its own, told something besides."""
        log = (self.directory / f"{name}.log").open("ab")
        self.processes[name] = subprocess.Popen(
            self.commands[kind],
            cwd=ROOT,
            env={**self.environment, "PROCESS_KIND": kind, **told},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )

    def kill(self, name: str) -> None:
        """Kill the process and its children at once, as the kernel would."""
        process = self.processes.pop(name)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def restart_if_dead(self, name: str) -> None:
        """Start a process again that was killed; the server's master starts its own workers again."""
        process = self.processes[name]
        if name == "web":
            eventually(self.is_ready, within=START_WITHIN, what="readiness")
            return
        eventually(lambda: process.poll() is not None, what=f"the death of {name}")
        self.start(name)

    def kill_postgres(self) -> None:
        """Kill PostgreSQL's postmaster at once; its children end by themselves."""
        pid = int((self.directory / "servers/postgres/data/postmaster.pid").read_text().split()[0])
        os.kill(pid, signal.SIGKILL)
        eventually(lambda: is_gone(pid), what="the end of the postmaster")

    def start_postgres(self) -> None:
        """Start PostgreSQL again on the same data and port."""
        server = LocalServers(directory=self.directory / "servers", durable=True).postgres
        server.start()
        assert server.url == self.database_url, "somebody took the port meanwhile"

    def stop(self) -> None:
        """Ask all processes to end; kill those that do not."""
        for process in self.processes.values():
            process.terminate()
        for name, process in list(self.processes.items()):
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                self.kill(name)
        self.processes.clear()

    def manage(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a management command to its end."""
        return self._run("manage.py", *arguments)

    def run(self, module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a Python module to its end, on the system's servers."""
        return self._run("-m", module, *arguments)

    def _run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def log_of(self, name: str) -> str:
        """Return what the process wrote."""
        return (self.directory / f"{name}.log").read_text()

    def log_lines(self) -> Mapping[str, list[str]]:
        """Return what each process wrote, line by line."""
        return {log.stem: log.read_text(errors="replace").splitlines() for log in self.directory.glob("*.log")}

    def hide(self, *texts: str) -> None:
        """Remember what no process may write."""
        self.hidden.update(texts)

    def told_secrets(self) -> list[tuple[str, str]]:
        """Return the lines that tell a secret, with the name of the process that wrote them."""
        passwords = [str(urlsplit(url).password) for url in (self.database_url, self.redis_url) if "@" in url]
        hidden = {*self.hidden, *USED_BY_ALL, *passwords, self.api_key[-20:]}
        return [
            (name, line)
            for name, lines in self.log_lines().items()
            for line in lines
            for each in hidden
            if each in line
        ]

    def client(self, **headers: str) -> httpx2.Client:
        """Return an HTTP client that acts with the API key."""
        return httpx2.Client(
            base_url=self.url, headers={"Authorization": f"Bearer {self.api_key}", **headers}, timeout=30
        )

    def psp(self) -> httpx2.Client:
        """Return an HTTP client of the PSP simulator."""
        return httpx2.Client(
            base_url=f"http://127.0.0.1:{self.psp_port}", headers={"Authorization": f"Bearer {DEFAULT_SECRET}"}
        )

    def query(self, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Return the rows of a query on the system's own database."""
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            return connection.execute(sql, parameters).fetchall()

    def is_ready(self) -> bool:
        """Tell whether the server says that it is ready."""
        try:
            return httpx2.get(f"{self.url}/readyz", timeout=5).status_code == 200
        except httpx2.TransportError:
            return False

    def is_idle(self) -> bool:
        """Tell whether no event, delivery or process is left to be dealt with."""
        ((busy,),) = self.query(
            """
            SELECT (SELECT count(*) FROM outbox_message WHERE pending)
                 + (SELECT count(*) FROM outbox_delivery WHERE status = 'pending')
                 + (SELECT count(*) FROM webhooks_delivery WHERE status = 'pending')
                 + (SELECT count(*) FROM outbox_message AS event JOIN webhooks_progress AS progress
                        ON event.position > progress.position
                    WHERE EXISTS (SELECT FROM webhooks_endpoint WHERE disabled_because = ''))
                 + (SELECT count(*) FROM saga WHERE status IN ('running', 'undoing'))
            """
        )
        return bool(busy == 0)


@contextmanager
def running_system(
    *,
    processes: tuple[str, ...] = PROCESSES,
    durable: bool = False,
    told: Mapping[str, str] | None = None,
) -> Iterator[System]:
    """Make a migrated and seeded database, start the processes on it, and leave nothing behind.

    Only durable servers keep every commit when they are killed themselves.
    """
    with running(System, processes=processes, durable=durable, told=told) as system:
        yield system


@contextmanager
def running(
    kind: type[S],
    *,
    processes: tuple[str, ...] = PROCESSES,
    durable: bool = False,
    told: Mapping[str, str] | None = None,
) -> Iterator[S]:
    """Run a system of a kind of its own, as ``running_system`` does."""
    with tempfile.TemporaryDirectory(prefix="orderly-journey-") as name, _servers(Path(name), durable) as urls:
        directory = Path(name)
        system = kind(
            database_url=urls["DATABASE_URL"], redis_url=urls["REDIS_URL"], directory=directory, told=told or {}
        )
        try:
            for command in ("migrate", "seed"):
                done = system.manage(command)
                assert done.returncode == 0, done.stdout + done.stderr
            system.api_key = (directory / "demo-api-key").read_text().strip()
            system.start(*processes)
            if "web" in processes:
                eventually(system.is_ready, within=START_WITHIN, what="readiness")
            yield system
        finally:
            system.stop()


@contextmanager
def _servers(directory: Path, durable: bool) -> Iterator[Mapping[str, str]]:
    servers = LocalServers(directory=directory / "servers", durable=durable)
    servers.directory.mkdir()
    lease = servers.acquire(purpose="journeys", urls=("DATABASE_URL", "REDIS_URL"))
    try:
        yield lease.urls
    finally:
        lease.release()
