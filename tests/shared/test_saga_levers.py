"""What operators can do about a process that does not get on by itself."""

from collections.abc import Callable
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from django.db.models.functions import Now

from shared.audit.models import AuditEntryRow
from shared.domain.errors import ExternalAPIError, OutcomeUnknown
from shared.domain.saga import Saga, Stage
from shared.saga.levers import NoWayBack, SagaFinished, SagaIsBusy, SagaNotFound, compensate, retry, skip
from shared.saga.models import SagaRow
from shared.saga.registry import SagaStarter, register
from shared.saga.runner import advance
from shared.telemetry.context import WorkContext, working_as
from tests.shared.database import Traces
from tests.shared.test_saga_runner import House, begun, row_of, steps_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("own_sagas")]

Lever = Callable[..., None]

OPERATOR = WorkContext(actor="staff:7")


@pytest.fixture
def house(traces: Traces) -> House:
    return House(traces)


@pytest.fixture
def begin(house: House) -> SagaStarter:
    """Have a process with a call to somebody else, and a way back until it is done."""
    return register(
        Saga(
            name="testing.levers",
            stages=(
                Stage(step=house.local("lay wire"), undo=house.local("remove wire")),
                Stage(step=house.remote("book electrician"), undo=house.remote("cancel electrician"), pivot=True),
                Stage(step=house.local("hang lamp")),
            ),
            otherwise=house.local("give up"),
            deadline=timedelta(hours=1),
        )
    )


@pytest.fixture
def stuck(begin: SagaStarter, house: House) -> UUID:
    """Return a process whose call has come to an unknown end."""
    saga_id = begun(begin)
    house.will("book electrician", OutcomeUnknown())
    advance(saga_id)
    return saga_id


class TestRetry:
    def test_makes_the_process_due_at_once_and_goes_on_under_the_same_key(self, stuck: UUID, house: House) -> None:
        retry(stuck, reason="the provider is back")
        due = SagaRow.objects.filter(id=stuck, due_at__lte=Now()).exists()
        advance(stuck)

        assert due
        assert row_of(stuck).status == "completed"
        assert len(set(house.keys_of("book electrician"))) == 1

    def test_is_audited_with_who_and_why(self, stuck: UUID) -> None:
        with working_as(OPERATOR):
            retry(stuck, reason="the provider is back")
        entry = AuditEntryRow.objects.get()

        assert (entry.action, entry.actor, entry.reason) == ("saga.retry", "staff:7", "the provider is back")
        assert (entry.subject_kind, entry.subject_id) == ("saga", str(stuck))


class TestSkip:
    def test_takes_the_step_in_hand_as_done(self, stuck: UUID, house: House) -> None:
        skip(stuck, reason="booked by telephone")
        advance(stuck)

        assert row_of(stuck).status == "completed"
        assert house.called == ["book electrician"]
        assert ("book electrician", "skipped", 1) in steps_of(stuck)

    def test_of_a_step_that_was_never_begun_leaves_it_undone(self, begin: SagaStarter, house: House) -> None:
        saga_id = begun(begin)
        skip(saga_id, reason="the wire was there")
        advance(saga_id)

        assert row_of(saga_id).status == "completed"
        assert house.traces.all == ["hang lamp"]


class TestCompensate:
    def test_undoes_what_was_done_and_what_may_have_been(self, stuck: UUID, house: House) -> None:
        compensate(stuck, reason="the customer went away")
        advance(stuck)

        assert row_of(stuck).status == "undone"
        assert row_of(stuck).reason == "given_up_by_operator"
        assert house.called == ["book electrician", "cancel electrician"]
        assert house.traces.all == ["lay wire", "remove wire", "give up"]

    def test_is_refused_past_the_pivot(self, begin: SagaStarter, house: House) -> None:
        saga_id = begun(begin)
        house.will("hang lamp", ExternalAPIError())
        advance(saga_id)

        with pytest.raises(NoWayBack, match="past its point of no return"):
            compensate(saga_id, reason="too late")
        assert row_of(saga_id).status == "running"
        assert not AuditEntryRow.objects.exists()

    def test_is_refused_while_it_is_undone_already(self, stuck: UUID, house: House) -> None:
        house.will("cancel electrician", ExternalAPIError())
        compensate(stuck, reason="first")
        advance(stuck)

        with pytest.raises(NoWayBack):
            compensate(stuck, reason="second")


@pytest.mark.parametrize("lever", [retry, skip, compensate])
class TestEveryLever:
    def test_is_refused_while_a_worker_has_the_process_in_hand(self, lever: Lever, stuck: UUID) -> None:
        SagaRow.objects.filter(id=stuck).update(leased_until=Now() + timedelta(seconds=30), lease=uuid4())

        with pytest.raises(SagaIsBusy, match="try again when it is done"):
            lever(stuck, reason="now")

    def test_is_refused_once_the_process_is_finished(self, lever: Lever, begin: SagaStarter) -> None:
        saga_id = begun(begin)
        advance(saga_id)

        with pytest.raises(SagaFinished):
            lever(saga_id, reason="again")

    def test_is_refused_for_an_unknown_process(self, lever: Lever) -> None:
        with pytest.raises(SagaNotFound):
            lever(uuid4(), reason="which?")
