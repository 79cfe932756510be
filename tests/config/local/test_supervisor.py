"""The wait for readiness, without the ninety seconds of the real one."""

import io
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from config.local.checkout import CannotRun, Checkout
from config.local.readiness import ReadinessProbe
from config.local.supervisor import StopRequest, Supervisor
from shared.embedded.files import free_port
from shared.embedded.processes import wait_until

STANDIN = Path(__file__).with_name("standin.py")


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[Supervisor]:
    checkout = Checkout(root=tmp_path)
    checkout.data_dir.mkdir()
    supervisor = Supervisor(checkout=checkout, port=0, output=io.StringIO(), stop=StopRequest())
    yield supervisor
    supervisor.stop_all()


class TestWaitUntilReady:
    def test_shows_the_failing_check_when_the_time_is_over(self, supervisor: Supervisor) -> None:
        port = free_port()
        environment = os.environ | {"PORT": str(port), "STANDIN_WEB": "unready"}
        supervisor.start(commands={"web": f"{sys.executable} {STANDIN} web"}, environment=environment)
        probe = ReadinessProbe(host="127.0.0.1", port=port)
        assert wait_until(lambda: "503" in probe.last_answer, seconds=10)
        with pytest.raises(CannotRun, match=r"(?s)not ready after 0 s.*503.*2 are not applied"):
            supervisor.wait_until_ready(probe, seconds=0.2)
        probe.stop()
