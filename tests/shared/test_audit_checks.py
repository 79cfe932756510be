"""The laws are checked by the schedule: once, however many schedulers and workers there are."""

from datetime import timedelta

import pytest
from django.conf import settings
from django.db import DatabaseError
from django.test import Client
from django.urls import reverse

from shared.audit import laws
from shared.audit.checking import check_on_schedule
from shared.audit.laws import Law, declare
from shared.audit.models import AuditRunRow
from shared.audit.tasks import check
from shared.persistence.unit_of_work import atomic
from shared.telemetry.metrics import TableCollector
from tests.identity.builders import an_account_row
from tests.shared.database import InThread, database_time, execute

EVERY = timedelta(minutes=10)

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def own_laws(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a law that holds and one that does not, and forget them after the test."""
    monkeypatch.setattr(laws, "_laws", {})
    declare(
        Law(number=1, title="all is well", offenders="SELECT '', '' WHERE false"),
        Law(number=2, title="nothing is odd", offenders="SELECT '7', 'is odd'"),
    )


class TestCheck:
    def test_keeps_what_it_found(self) -> None:
        assert check_on_schedule(every=EVERY)

        run = AuditRunRow.objects.get()
        assert run.finished_at is not None
        assert [(one["law"], one["broken_by"]) for one in run.findings] == [(1, 0), (2, 1)]
        assert run.findings[1]["offenders"] == [{"what": "7", "why": "is odd"}]

    def test_is_not_repeated_before_its_time(self) -> None:
        assert check_on_schedule(every=EVERY)
        assert not check_on_schedule(every=EVERY)

        began(ago=EVERY)
        assert check_on_schedule(every=EVERY)

    def test_makes_up_for_one_whose_worker_was_killed(self) -> None:
        AuditRunRow.objects.create()
        began(ago=EVERY)

        assert check_on_schedule(every=EVERY)
        assert [run.finished_at is None for run in AuditRunRow.objects.order_by("id")] == [True, False]

    def test_that_cannot_be_made_is_told_and_stays_unfinished(self) -> None:
        declare(Law(number=3, title="nobody can tell", offenders="SELECT no_such_column FROM audit_run"))

        with pytest.raises(DatabaseError):
            check_on_schedule(every=EVERY)

    def test_forgets_those_of_a_month_ago(self) -> None:
        AuditRunRow.objects.create(finished_at=database_time())
        began(ago=timedelta(days=31))
        check_on_schedule(every=EVERY)

        assert AuditRunRow.objects.count() == 1

    def test_is_a_task_that_beat_sends_and_that_ignores_what_it_does_not_know(self) -> None:
        (entry,) = [one for one in settings.CELERY["beat_schedule"].values() if one["task"] == check.name]
        check(sent_by="a newer version")

        assert entry["schedule"] == settings.AUDIT_EVERY
        assert AuditRunRow.objects.count() == 1


@pytest.mark.django_db(transaction=True)
class TestChecksAtTheSameTime:
    def test_are_made_by_one_of_them_and_nobody_waits(self, in_thread: InThread) -> None:
        with atomic():
            assert check_on_schedule(every=EVERY)
            others = [in_thread(lambda: check_on_schedule(every=EVERY)) for _ in range(3)]
            assert [other.result(timeout=30) for other in others] == [False] * 3

        assert not check_on_schedule(every=EVERY)
        assert AuditRunRow.objects.count() == 1


class TestMetrics:
    def test_tell_of_the_last_check_that_came_to_its_end(self) -> None:
        assert gauges()["orderly_audit_last_check_timestamp_seconds"] == {(): 0}
        check_on_schedule(every=EVERY)
        AuditRunRow.objects.create()

        found = gauges()
        assert found["orderly_audit_laws_broken_by"] == {("1 all is well",): 0, ("2 nothing is odd",): 1}
        assert found["orderly_audit_last_check_timestamp_seconds"][()] == pytest.approx(
            database_time().timestamp(), abs=60
        )
        assert found["orderly_audit_last_check_seconds"][()] >= 0


class TestPage:
    def test_shows_operators_what_is_broken(self, client: Client) -> None:
        check_on_schedule(every=EVERY)
        client.force_login(an_account_row(email="op@example.com", operator=True))

        listed = client.get(reverse("admin:audit_auditrunrow_changelist")).content.decode()
        page = client.get(
            reverse("admin:audit_auditrunrow_change", args=[AuditRunRow.objects.get().pk])
        ).content.decode()

        assert "broken" in listed
        assert "2  nothing is odd: BROKEN by 1\n    7: is odd\n1  all is well: holds" in page


def began(*, ago: timedelta) -> None:
    """Have all checks have begun so long ago."""
    execute("UPDATE audit_run SET started_at = %s", database_time() - ago)


def gauges() -> dict[str, dict[tuple[str, ...], float]]:
    """Return the gauges of the tables, by their labels."""
    return {
        family.name: {tuple(sample.labels.values()): sample.value for sample in family.samples}
        for family in TableCollector().collect()
    }
