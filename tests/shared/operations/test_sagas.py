"""Processes and their levers as an operator's program sees them."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db.models.functions import Now

from shared.audit.models import AuditEntryRow
from shared.domain.errors import OutcomeUnknown
from shared.domain.saga import Saga, Stage
from shared.persistence.identifiers import new_id
from shared.saga.models import SagaRow
from shared.saga.registry import SagaStarter, register
from shared.saga.runner import advance
from tests.shared.database import Traces
from tests.shared.test_saga_runner import House, begun
from tests.shop import Shop, a_customer, a_key

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("own_sagas")]

LIST = "/api/ops/v1/sagas"


def ids_of(answer: Any) -> list[UUID]:
    """Return which processes a list answered with."""
    assert answer.status_code == 200, answer.content
    return [UUID(each["id"]) for each in answer.json()["items"]]


def code_of(answer: Any) -> tuple[int, str]:
    """Return status and code of a problem."""
    assert answer["Content-Type"] == "application/problem+json"
    return answer.status_code, answer.json()["code"]


def pull(operator: Shop, lever: str, saga_id: UUID, **options: Any) -> Any:
    """Pull a lever of a process."""
    return operator.post(f"{LIST}/{saga_id}/{lever}", {"reason": "the electrician called"}, **options)


@pytest.fixture
def house(traces: Traces) -> House:
    """Build a house without light."""
    return House(traces)


@pytest.fixture
def begin(house: House) -> SagaStarter:
    """Have a process with a call to somebody else, and a way back until it is done."""
    return register(
        Saga(
            name="testing.operations",
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


class TestList:
    def test_pages_the_newest_first(self, operator: Shop, begin: SagaStarter) -> None:
        ids = [begun(begin) for _ in range(3)]

        page = operator.get(LIST, {"limit": 2}).json()
        rest = operator.get(LIST, {"limit": 2, "cursor": page["next_cursor"]}).json()

        assert [UUID(each["id"]) for each in page["items"] + rest["items"]] == ids[::-1]
        assert rest["next_cursor"] is None

    def test_finds_by_kind_state_and_subject(self, operator: Shop, begin: SagaStarter, stuck: UUID) -> None:
        subject_id = new_id()
        begin(subject_id=subject_id, data={})
        done = begun(begin)
        SagaRow.objects.filter(id=done).update(status="completed", due_at=None, finished_at=Now())

        assert ids_of(operator.get(LIST, {"status": "completed"})) == [done]
        assert len(ids_of(operator.get(LIST, {"name": "testing.operations"}))) == 3
        assert ids_of(operator.get(LIST, {"name": "testing.other"})) == []
        (about,) = operator.get(LIST, {"subject_id": str(subject_id)}).json()["items"]
        assert (about["name"], about["status"], about["steps"]) == ("testing.operations", "running", [])

    def test_finds_what_is_overdue(self, operator: Shop, begin: SagaStarter, stuck: UUID) -> None:
        in_time = begun(begin)
        SagaRow.objects.filter(id=stuck).update(deadline_at=Now() - timedelta(minutes=1))

        assert ids_of(operator.get(LIST, {"overdue": "true"})) == [stuck]
        assert ids_of(operator.get(LIST, {"overdue": "false"})) == [in_time]

    @pytest.mark.parametrize(
        "query",
        [{"limit": 0}, {"cursor": "?"}, {"status": "lost"}, {"subject_id": "7"}, {"overdue": "soon"}, {"x": "y"}],
    )
    def test_refuses_a_malformed_query(self, operator: Shop, query: dict[str, Any]) -> None:
        assert code_of(operator.get(LIST, query))[0] == 422


class TestGet:
    def test_shows_the_steps_and_not_what_the_process_carries(self, operator: Shop, stuck: UUID) -> None:
        SagaRow.objects.filter(id=stuck).update(data={"token": "tok_secret"})

        answer = operator.get(f"{LIST}/{stuck}")

        assert [(each["name"], each["status"]) for each in answer.json()["steps"]] == [
            ("lay wire", "done"),
            ("book electrician", "unknown"),
        ]
        assert b"tok_secret" not in answer.content

    def test_of_an_unknown_process_is_not_found(self, operator: Shop) -> None:
        assert code_of(operator.get(f"{LIST}/{uuid4()}")) == (404, "saga_not_found")


class TestLevers:
    def test_retry_makes_it_due(self, operator: Shop, stuck: UUID, house: House) -> None:
        answer = pull(operator, "retry", stuck)

        assert (answer.status_code, answer.json()["status"]) == (200, "running")
        advance(stuck)
        assert SagaRow.objects.get(id=stuck).status == "completed"

    def test_skip_takes_the_step_as_done(self, operator: Shop, stuck: UUID) -> None:
        steps = pull(operator, "skip", stuck).json()["steps"]

        assert (steps[-1]["name"], steps[-1]["status"]) == ("book electrician", "skipped")

    def test_skip_takes_one_step_per_key(self, operator: Shop, stuck: UUID) -> None:
        first = pull(operator, "skip", stuck, key="k")
        again = pull(operator, "skip", stuck, key="k")

        assert (again.content, again["Idempotency-Replayed"]) == (first.content, "true")

    def test_compensate_has_it_undone(self, operator: Shop, stuck: UUID) -> None:
        answer = pull(operator, "compensate", stuck)

        assert (answer.json()["status"], answer.json()["reason"]) == ("undoing", "given_up_by_operator")

    @pytest.mark.parametrize("lever", ["retry", "skip", "compensate"])
    def test_each_is_audited(self, operator: Shop, stuck: UUID, lever: str) -> None:
        pull(operator, lever, stuck)

        entry = AuditEntryRow.objects.get(action=f"saga.{lever}")
        assert (entry.subject_id, entry.reason) == (str(stuck), "the electrician called")
        assert entry.actor.startswith("key:")

    @pytest.mark.parametrize("lever", ["retry", "skip", "compensate"])
    def test_each_is_refused_where_there_is_nothing_to_pull(self, operator: Shop, stuck: UUID, lever: str) -> None:
        SagaRow.objects.filter(id=stuck).update(status="completed", due_at=None, finished_at=Now())

        assert code_of(pull(operator, lever, stuck)) == (409, "saga_finished")
        assert code_of(pull(operator, lever, uuid4())) == (404, "saga_not_found")

    @pytest.mark.parametrize("lever", ["retry", "skip", "compensate"])
    @pytest.mark.parametrize("body", [{}, {"reason": ""}, {"reason": 7}, {"reason": "x", "colour": "red"}])
    def test_each_needs_a_reason(self, operator: Shop, stuck: UUID, lever: str, body: Any) -> None:
        assert code_of(operator.post(f"{LIST}/{stuck}/{lever}", body))[0] == 422
        assert not AuditEntryRow.objects.filter(subject_id=str(stuck)).exists()


class TestAccess:
    def test_needs_the_scopes(self, stuck: UUID) -> None:
        reader = Shop(key=a_key("ops:sagas:read"))

        assert reader.get(LIST).status_code == 200
        for lever in ("retry", "skip", "compensate"):
            assert code_of(pull(reader, lever, stuck)) == (403, "insufficient_scope")

    def test_is_not_for_customers(self) -> None:
        _, token = a_customer()

        assert code_of(Shop(key=token).get(LIST)) == (403, "insufficient_scope")
