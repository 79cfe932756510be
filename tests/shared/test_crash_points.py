"""Crash points end a process when they are armed for it, and are nothing otherwise."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
REACH = """
import sys
from pathlib import Path
from shared.persistence.crash_points import CrashPoints
points = CrashPoints(directory=Path(sys.argv[1]), process="worker")
for number in range(int(sys.argv[2])):
    points.reach("saga.before_call")
    print(number, flush=True)
"""
IN_PRODUCTION = """
import django
django.setup()
from shared.persistence import crash_points
crash_points.crash_point("saga.before_call")
print(crash_points.crash_point.__name__)
"""


def reach(directory: Path, *, times: int = 1) -> subprocess.CompletedProcess[str]:
    """Have a worker reach a point so many times."""
    return run(REACH, str(directory), str(times), settings="config.settings.test")


def run(code: str, *arguments: str, settings: str, **told: str) -> subprocess.CompletedProcess[str]:
    """Run Python code in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=ROOT,
        env=os.environ | {"DJANGO_SETTINGS_MODULE": settings} | told,
        capture_output=True,
        text=True,
        check=False,
    )


class TestReach:
    def test_kills_the_process_for_which_it_is_armed(self, tmp_path: Path) -> None:
        (tmp_path / "armed").write_text("saga.before_call worker 0 nonce")
        ended = reach(tmp_path)

        assert (ended.returncode, ended.stdout) == (-signal.SIGKILL, "")
        assert (tmp_path / "reached-nonce").exists()

    def test_kills_once(self, tmp_path: Path) -> None:
        (tmp_path / "armed").write_text("saga.before_call worker 0 nonce")
        reach(tmp_path)

        assert reach(tmp_path).returncode == 0

    def test_lets_it_pass_as_often_as_it_is_told(self, tmp_path: Path) -> None:
        (tmp_path / "armed").write_text("saga.before_call worker 2 nonce")
        ended = reach(tmp_path, times=5)

        assert (ended.returncode, ended.stdout) == (-signal.SIGKILL, "0\n1\n")

    @pytest.mark.parametrize(
        "armed", ["saga.before_call relay 0 nonce", "saga.after_call worker 0 nonce", "nonsense", ""]
    )
    def test_leaves_other_processes_and_points_alone(self, tmp_path: Path, armed: str) -> None:
        (tmp_path / "armed").write_text(armed)

        assert reach(tmp_path).returncode == 0

    def test_leaves_everybody_alone_when_nothing_is_armed(self, tmp_path: Path) -> None:
        assert reach(tmp_path).returncode == 0


class TestCrashPoint:
    def test_cannot_be_switched_on_in_production(self, tmp_path: Path) -> None:
        (tmp_path / "armed").write_text("saga.before_call web 0 nonce")
        secret = "ab" * 32
        ended = run(
            IN_PRODUCTION,
            settings="config.settings.production",
            CRASH_DIRECTORY=str(tmp_path),
            PROCESS_KIND="web",
            DATABASE_URL="postgresql://nobody@localhost/none",
            REDIS_URL="redis://localhost",
            SECRET_KEY=secret,
            JWT_SIGNING_KEYS=secret,
            ENCRYPTION_KEYS=secret,
            METRICS_TOKEN=secret,
            ALLOWED_HOSTS="orderly.example",
        )

        assert (ended.returncode, ended.stdout) == (0, "_pass\n"), ended.stderr
