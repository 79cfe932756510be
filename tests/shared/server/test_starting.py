"""A server that is told to end before its workers listen for signals."""

import signal
from pathlib import Path

from tests.journeys.system import eventually
from tests.shared.server.conftest import serving

APPLICATION = "tests.shared.server.starting:application"


class TestWorker:
    def test_that_still_imports_ends_when_it_is_told(self, tmp_path: Path) -> None:
        with serving(APPLICATION, tmp_path) as front:
            eventually((tmp_path / "still-importing").exists, within=30, what="the import")
            front.process.terminate()
            status = front.process.wait(timeout=20)

        assert status == 0

    def test_that_was_told_before_it_could_act_on_it_ends(self, tmp_path: Path) -> None:
        (tmp_path / "wait-for-the-signal").touch()
        with serving(APPLICATION, tmp_path) as front:
            eventually((tmp_path / "importing").exists, within=30, what="the import")
            front.process.send_signal(signal.SIGTERM)
            status = front.process.wait(timeout=20)

        assert status == 0
        assert not (tmp_path / "still-importing").exists()
