import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

from shared.embedded.files import free_port
from tests.journeys.system import BIN, ROOT, eventually


@dataclass(frozen=True, slots=True, kw_only=True)
class Front:
    """A running server with the application of tests/shared/server/front.py."""

    port: int
    process: "subprocess.Popen[bytes]"
    notes: Path

    @property
    def url(self) -> str:
        """Return where it listens."""
        return f"http://127.0.0.1:{self.port}"

    def noted(self, name: str) -> str | None:
        """Return what the application noted under the name."""
        path = self.notes / name
        return path.read_text() if path.exists() else None

    def answers(self) -> bool:
        """Tell whether it answers."""
        try:
            return httpx2.get(f"{self.url}/", timeout=5).is_success
        except httpx2.TransportError:
            return False


@pytest.fixture(scope="session")
def running_front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    """Run one front for the tests that leave it as it is."""
    with _running(tmp_path_factory.mktemp("front")) as front:
        yield front


@pytest.fixture
def front(running_front: Front) -> Front:
    """Give the running front, with nothing noted yet."""
    for note in running_front.notes.iterdir():
        note.unlink()
    return running_front


@pytest.fixture
def own_front(tmp_path: Path) -> Iterator[Front]:
    """Run a front that the test may end."""
    with _running(tmp_path) as front:
        yield front


@contextmanager
def _running(notes: Path) -> Iterator[Front]:
    with serving("tests.shared.server.front:application", notes) as found:
        eventually(found.answers, within=30, what="the first answer")
        yield found


@contextmanager
def serving(application: str, notes: Path) -> Iterator[Front]:
    """Serve an application, which need not answer yet."""
    port = free_port()
    process = subprocess.Popen(
        [
            *(str(BIN / "granian"), "--interface", "rsgi", "--loop", "uvloop", "--no-ws", "--workers", "1"),
            *("--host", "127.0.0.1", "--port", str(port), application),
        ],
        cwd=ROOT,
        env=os.environ | {"FRONT_NOTES": str(notes)},
        start_new_session=True,
    )
    try:
        yield Front(port=port, process=process, notes=notes)
    finally:
        process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
