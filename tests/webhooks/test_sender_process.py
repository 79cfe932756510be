"""The sender as a process of its own, killed in the middle of its work."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import quote

import pytest
from django.conf import settings
from django.db import connection

from contexts.webhooks.models import DeliveryRow
from shared.embedded.processes import wait_until
from tests.architecture.source import ROOT
from tests.shared.database import execute
from tests.webhooks.builders import an_endpoint, happened
from tests.webhooks.receiver import Answer, Receiver

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.journey]

LONG = 60.0  # seconds: two processes start meanwhile


def environment() -> Mapping[str, str]:
    """Return what the process is told: the database of this test."""
    where = connection.settings_dict
    who = f"{quote(where['USER'])}:{quote(where['PASSWORD'])}"
    url = f"postgresql://{who}@{where['HOST']}:{where['PORT']}/{where['NAME']}"
    return os.environ | {
        "DJANGO_SETTINGS_MODULE": "config.settings.dev",
        "DATABASE_URL": url,
        "REDIS_URL": settings.REDIS_URL,
    }


@contextmanager
def a_sender() -> Iterator["subprocess.Popen[bytes]"]:
    """Run a sender as the Procfile does, and kill it at the end if it still runs."""
    process = subprocess.Popen([sys.executable, "manage.py", "webhooks"], cwd=ROOT, env=environment())
    try:
        yield process
    finally:
        process.kill()
        process.wait()


class TestSender:
    def test_that_is_killed_loses_nothing_and_repeats_under_the_same_id(self, receiver: Receiver) -> None:
        an_endpoint(receiver.url)
        receiver.answers = lambda _: Answer(after=3600)
        for _ in range(5):
            happened()
        with a_sender() as killed:
            assert wait_until(lambda: len(receiver.received) == 5, seconds=LONG)
            killed.send_signal(signal.SIGKILL)
            killed.wait()
        under_way = set(receiver.ids)
        assert set(DeliveryRow.objects.values_list("status", "attempts")) == {("pending", 0)}
        execute("UPDATE webhooks_delivery SET due_at = now()")  # the lease ends, instead of a minute later
        receiver.answers = lambda _: Answer()
        with a_sender():
            assert wait_until(lambda: DeliveryRow.objects.filter(status="done").count() == 5, seconds=LONG)

        assert set(receiver.ids) == under_way
        assert len(receiver.received) == 10

    def test_that_is_asked_to_stop_settles_what_is_under_way(self, receiver: Receiver) -> None:
        an_endpoint(receiver.url)
        receiver.answers = lambda _: Answer(after=0.5)
        happened()
        with a_sender() as stopped:
            assert wait_until(lambda: len(receiver.received) == 1, seconds=LONG)
            stopped.terminate()
            assert stopped.wait(timeout=LONG) == 0

        assert DeliveryRow.objects.get().status == "done"
