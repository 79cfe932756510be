"""`python -m shared.embedded exec`: throw-away servers around one command."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import shared
from shared.embedded import PostgresServer, ValkeyServer
from shared.embedded.processes import wait_until

CHECKOUT = Path(shared.__file__).resolve().parents[1]
EXEC = [sys.executable, "-m", "shared.embedded", "exec", "--"]
ASK = "import os, psycopg; print(psycopg.connect(os.environ['DATABASE_URL']).execute('SELECT 1').fetchone())"


class TestExec:
    def test_gives_the_command_its_servers_and_returns_its_status(self, tmp_path: Path) -> None:
        done = subprocess.run(
            [*EXEC, sys.executable, "-c", f"{ASK}; raise SystemExit(3)"],
            capture_output=True,
            text=True,
            cwd=CHECKOUT,
            env=os.environ | {"TMPDIR": str(tmp_path)},
            check=False,
        )
        assert (done.stdout, done.returncode) == ("(1,)\n", 3)
        assert list(tmp_path.iterdir()) == []

    def test_leaves_nothing_behind_when_it_is_killed(self, tmp_path: Path) -> None:
        running = subprocess.Popen(
            [*EXEC, "cat"],
            stdin=subprocess.PIPE,
            cwd=CHECKOUT,
            env=os.environ | {"TMPDIR": str(tmp_path)},
        )
        assert wait_until(lambda: any(tmp_path.glob("*/holders.json")), seconds=15)
        (directory,) = tmp_path.iterdir()
        running.send_signal(signal.SIGKILL)
        running.communicate()
        assert wait_until(lambda: not directory.exists(), seconds=15)
        assert not PostgresServer(directory=directory / "postgres").is_running()
        assert not ValkeyServer(directory=directory / "valkey").is_running()

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root has to become somebody else")
    def test_runs_as_nobody_where_the_kernel_allows_no_namespace(self) -> None:
        without_unshare = {"PATH": str(Path(sys.executable).parent)}
        assert shutil.which("unshare", path=without_unshare["PATH"]) is None
        done = subprocess.run(
            [*EXEC, sys.executable, "-c", ASK],
            capture_output=True,
            text=True,
            cwd=CHECKOUT,
            env=os.environ | without_unshare,
            check=False,
        )
        assert done.stdout == "(1,)\n", done.stderr
