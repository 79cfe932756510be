"""`make run` and `make reset` with trivial processes in the place of the real ones."""

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import shared
from shared.embedded import LocalServers
from shared.embedded.files import free_port
from shared.embedded.processes import ProcessId, wait_until

SOURCE = Path(shared.__file__).resolve().parents[1]
STANDIN = Path(__file__).with_name("standin.py")
PROCESSES = ("web", "worker", "relay", "beat", "webhooks")
EXTERNAL = {"DATABASE_URL": "postgresql://elsewhere/orderly", "REDIS_URL": "redis://elsewhere"}
UP = "Ctrl-C stops everything."


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout whose programs are stand-ins."""
    root = tmp_path / "checkout"
    simulator = root / "contexts" / "payments" / "simulator.py"
    simulator.parent.mkdir(parents=True)
    for path in (root / "manage.py", simulator, root / "standin.py"):
        shutil.copy(STANDIN, path)
    (root / "Procfile").write_text("".join(f"{name}: python standin.py {name}\n" for name in PROCESSES))
    return root


class Run:
    """A `make run` in the background, and what it has said."""

    def __init__(self, checkout: Path, environment: dict[str, str]) -> None:
        self.checkout = checkout
        self.port = int(environment["PORT"])
        self._output = checkout / "output"
        with self._output.open("w") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "config.local", "--root", str(checkout), "run"],
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=SOURCE,
                env=environment,
                start_new_session=True,
            )

    @property
    def said(self) -> str:
        return self._output.read_text()

    def says(self, words: str) -> bool:
        return wait_until(lambda: words in self.said or self.process.poll() is not None, seconds=20)

    def status(self) -> int:
        return self.process.wait(timeout=20)

    def interrupt(self) -> int:
        self.process.send_signal(signal.SIGINT)
        return self.status()

    def pids(self) -> list[int]:
        return [int(path.read_text() or 0) for path in self.checkout.glob("*.pid")]

    def has_started(self, names: list[str]) -> bool:
        return wait_until(lambda: len(self.survivors()) == len(names), seconds=20)

    def survivors(self) -> list[int]:
        return [pid for pid in self.pids() if ProcessId.of(pid) is not None]


@pytest.fixture
def begin(checkout: Path) -> Iterator[Callable[..., Run]]:
    """Start a `make run` with some environment; it is killed at the end of the test."""
    begun: list[Run] = []

    def begin_one(**environment: str) -> Run:
        own = {"PORT": str(free_port()), "PYTHONPATH": ""}
        run = Run(checkout, os.environ | EXTERNAL | own | environment)
        begun.append(run)
        return run

    yield begin_one
    for run in begun:
        if run.process.poll() is None:
            run.process.kill()
            run.process.wait()
            wait_until(lambda: not run.survivors(), seconds=15)  # noqa: B023  (used at once)


def reset(checkout: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "config.local", "--root", str(checkout), "reset"]
    return subprocess.run(command, capture_output=True, text=True, cwd=SOURCE, check=False)


class TestRun:
    def test_brings_all_up_and_ctrl_c_leaves_nothing_behind(self, begin: Callable[..., Run], checkout: Path) -> None:
        run = begin(DATABASE_URL="", REDIS_URL="", STANDIN_WEB="stubborn")
        assert run.says(UP), run.said
        assert f"http://localhost:{run.port}/api/v1/docs" in run.said
        servers = LocalServers(directory=checkout / ".data")
        assert servers.postgres.is_running()
        assert run.has_started([*PROCESSES, "psp", "the child of web"])
        assert run.interrupt() == 0
        assert run.survivors() == []
        assert not servers.postgres.is_running()
        assert not servers.valkey.is_running()
        assert servers.used_by() == ()
        assert not (checkout / ".data" / "run.json").exists()

    def test_stops_on_a_signal_while_it_prepares(self, begin: Callable[..., Run], checkout: Path) -> None:
        run = begin(STANDIN_SEED="slow")
        assert wait_until((checkout / "seed.pid").exists, seconds=15)
        run.process.terminate()
        assert run.status() == 0
        assert run.survivors() == []

    def test_tells_who_died_and_stops_the_others(self, begin: Callable[..., Run], checkout: Path) -> None:
        run = begin()
        assert run.says(UP), run.said
        assert run.has_started([*PROCESSES, "psp"])
        os.kill(int((checkout / "relay.pid").read_text()), signal.SIGKILL)
        assert run.status() == 1
        assert "relay was killed by SIGKILL" in run.said
        assert run.survivors() == []

    def test_shows_the_last_lines_of_a_process_that_fails(self, begin: Callable[..., Run]) -> None:
        run = begin(STANDIN_WORKER="fails")
        assert run.status() == 1
        assert "worker ended with status 1" in run.said
        assert "worker has no more paper" in run.said
        assert run.survivors() == []

    def test_stops_when_a_preparation_fails(self, begin: Callable[..., Run], checkout: Path) -> None:
        run = begin(STANDIN_MIGRATE="fails")
        assert run.status() == 1
        assert "migrate has no more paper" in run.said
        assert not (checkout / "web.pid").exists()

    def test_names_the_busy_port_and_how_to_choose_another(self, begin: Callable[..., Run]) -> None:
        with socket.create_server(("127.0.0.1", 0)) as busy:
            port = busy.getsockname()[1]
            run = begin(PORT=str(port))
            assert run.status() == 1
        assert f"Port {port} is taken by another program" in run.said
        assert "make run`" in run.said

    def test_refuses_a_port_that_is_none(self, begin: Callable[..., Run]) -> None:
        run = begin(PORT="70000")
        assert run.status() == 1
        assert "PORT=70000 is not a TCP port" in run.said

    def test_refuses_to_run_twice_and_to_be_reset_meanwhile(self, begin: Callable[..., Run], checkout: Path) -> None:
        first = begin()
        assert first.says(UP), first.said
        second = begin()
        assert second.status() == 1
        assert f"is alive at http://localhost:{first.port}" in second.said
        refused = reset(checkout)
        assert refused.returncode == 1
        assert "is alive" in refused.stderr
        assert first.interrupt() == 0

    def test_cleans_up_after_itself_when_it_was_killed(self, begin: Callable[..., Run]) -> None:
        killed = begin()
        assert killed.says(UP), killed.said
        assert killed.has_started([*PROCESSES, "psp"])
        killed.process.kill()
        killed.process.wait()
        assert wait_until(lambda: not killed.survivors(), seconds=15)
        again = begin()
        assert again.says(UP), again.said
        assert again.interrupt() == 0


class TestReset:
    def test_removes_what_a_run_has_made(self, begin: Callable[..., Run], checkout: Path) -> None:
        run = begin(STANDIN_MIGRATE="fails")
        run.status()
        done = reset(checkout)
        assert (done.returncode, done.stdout) == (0, f"Removed {checkout / '.data'}.\n")
        assert not (checkout / ".data").exists()

    def test_leaves_a_directory_alone_that_is_not_ours(self, checkout: Path) -> None:
        precious = checkout / ".data" / "precious"
        precious.parent.mkdir()
        precious.touch()
        done = reset(checkout)
        assert done.returncode == 1
        assert "was not made by Orderly" in done.stderr
        assert precious.exists()

    def test_refuses_while_a_command_uses_the_servers(self, checkout: Path) -> None:
        servers = LocalServers(directory=checkout / ".data")
        lease = servers.acquire(purpose="manage.py shell", urls=())
        refused = reset(checkout)
        lease.release()
        assert refused.returncode == 1
        assert f"in use by `manage.py shell` (process {os.getpid()})" in refused.stderr
