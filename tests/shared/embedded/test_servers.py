"""Servers that several commands share: who starts them, who stops them, who cleans up."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import shared
from shared.embedded import LocalServers, running_servers
from shared.embedded.processes import wait_until

CHECKOUT = Path(shared.__file__).resolve().parents[1]
COMMAND = """
import os, pathlib, sys
from shared.embedded import ensure_urls
ensure_urls(pathlib.Path(sys.argv[1]))
print(os.environ["DATABASE_URL"], os.environ["REDIS_URL"], flush=True)
sys.stdin.readline()
"""
Command = subprocess.Popen[str]


def without_urls() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "REDIS_URL")}


@pytest.fixture
def begin(tmp_path: Path) -> Iterator[Callable[[], Command]]:
    """Start a command that needs the servers and waits for a line before it ends."""
    begun: list[Command] = []

    def begin_one() -> Command:
        command = subprocess.Popen(
            [sys.executable, "-c", COMMAND, str(tmp_path / "data")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=CHECKOUT,
            env=without_urls(),
        )
        begun.append(command)
        return command

    yield begin_one
    for command in begun:
        command.kill()
        command.communicate()


def urls_of(command: Command) -> list[str]:
    assert command.stdout is not None
    return command.stdout.readline().split()


class TestEnsureUrls:
    def test_gives_two_commands_the_same_servers_until_the_last_is_gone(
        self, begin: Callable[[], Command], tmp_path: Path
    ) -> None:
        first, second = begin(), begin()
        assert urls_of(first) == urls_of(second) != []
        servers = LocalServers(directory=tmp_path / "data")
        first.communicate("go\n")
        assert servers.postgres.is_running()
        assert servers.valkey.is_running()
        assert [holder.process.pid for holder in servers.used_by()] == [second.pid]
        second.kill()
        assert wait_until(lambda: not servers.postgres.is_running() and not servers.valkey.is_running(), seconds=15)

    def test_leaves_urls_alone_that_are_set(self, tmp_path: Path) -> None:
        urls = {"DATABASE_URL": "postgresql://elsewhere/orderly", "REDIS_URL": "redis://elsewhere"}
        done = subprocess.run(
            [sys.executable, "-c", COMMAND, str(tmp_path / "data")],
            input="go\n",
            capture_output=True,
            text=True,
            cwd=CHECKOUT,
            env=os.environ | urls,
            check=True,
        )
        assert done.stdout.split() == list(urls.values())
        assert not (tmp_path / "data").exists()

    def test_tells_production_to_set_the_urls(self, tmp_path: Path) -> None:
        program = f"import sys; sys.path.append({str(CHECKOUT)!r})\n{COMMAND}"
        done = subprocess.run(
            [sys.executable, "-I", "-S", "-c", program, str(tmp_path / "data")],
            capture_output=True,
            text=True,
            cwd=CHECKOUT,
            env=without_urls(),
            check=False,
        )
        assert "EmbeddedServersMissing" in done.stderr
        assert "set DATABASE_URL and REDIS_URL, or install requirements.lock" in done.stderr


class TestRunningServers:
    def test_joins_those_who_use_the_servers_already(self, tmp_path: Path) -> None:
        servers = LocalServers(directory=tmp_path)
        with running_servers(tmp_path, purpose="outer") as outer:
            with running_servers(tmp_path, purpose="inner") as inner:
                assert inner == outer
            assert [holder.purpose for holder in servers.used_by()] == ["outer"]
            assert servers.postgres.is_running()
        assert not servers.postgres.is_running()
        assert not servers.valkey.is_running()
