"""Nothing is sent where nobody listens: settings, code and Procfile name the same queues."""

import re
from pathlib import Path

import pytest
from django.conf import settings

from tests.journeys.system import ROOT, System


def consumed_by(command: str) -> tuple[str, ...]:
    """Return the queues that the command of a worker names."""
    (queues,) = re.findall(r"--queues (\S+)", command)
    return tuple(queues.split(","))


class TestQueues:
    def test_are_all_consumed_by_the_worker(self) -> None:
        (worker,) = re.findall(r"^worker: (.*)$", (ROOT / "Procfile").read_text(), re.MULTILINE)

        assert consumed_by(worker) == settings.QUEUES

    def test_are_all_consumed_in_the_journeys(self, tmp_path: Path) -> None:
        system = System(database_url="", redis_url="", directory=tmp_path)

        assert consumed_by(" ".join(system.commands["worker"])) == settings.QUEUES

    @pytest.mark.parametrize("job", settings.CELERY["beat_schedule"])
    def test_are_named_by_every_job_of_the_schedule(self, job: str) -> None:
        assert settings.CELERY["beat_schedule"][job]["options"]["queue"] in settings.QUEUES

    def test_are_named_by_all_code_that_wakes_workers(self) -> None:
        code = [*ROOT.glob("shared/**/*.py"), *ROOT.glob("contexts/**/*.py")]
        named = {queue for path in code for queue in re.findall(r'\bqueue="(\w+)"', path.read_text())}

        assert {"deliveries", "sagas"} <= named <= set(settings.QUEUES)
