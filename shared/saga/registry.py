"""The processes that the running code knows, by name."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from django.db import connection

from shared.domain.model import Primitive
from shared.domain.saga import Saga
from shared.persistence.identifiers import new_id
from shared.persistence.inserts import Insert
from shared.persistence.wakeup import wake_relay_after_commit
from shared.saga.models import SagaRow
from shared.telemetry.context import current_work

#: Due at once by the database's own clock; a process that was begun before goes on undisturbed.
INSERT_SAGA = Insert.into(
    SagaRow,
    *("id", "name", "subject_id", "data", "correlation_id", "traceparent", "actor", "reason", "last_error"),
    computed={"due_at": "now()", "deadline_at": "now() + %s"},
    conflict="(subject_id, name) DO NOTHING",
)

#: By SQL: each payment wakes its order, and compiling the statement would cost more than running it. That it is not
#: finished, rather than its status, keeps PostgreSQL from looking through the index of all that are due.
WAKE = """
UPDATE saga SET due_at = now() - interval '1 second' WHERE name = %s AND subject_id = %s AND finished_at IS NULL
"""

_sagas: dict[str, Saga] = {}


class UnknownSaga(LookupError):
    """The running code declares no saga of this name; deploy the version that does, or remove the row."""


@dataclass(frozen=True, slots=True)
class SagaStarter:
    """Begins one kind of process: the adapter of ``shared.domain.ports.StartSaga``."""

    saga: Saga

    def __call__(self, *, subject_id: UUID, data: Mapping[str, Primitive]) -> None:
        """Store the process in the current transaction, due at once."""
        work = current_work()
        INSERT_SAGA.rows(
            [
                (
                    new_id(),
                    self.saga.name,
                    subject_id,
                    dict(data),
                    work.correlation_id,
                    work.traceparent,
                    work.actor,
                    "",
                    "",
                    self.saga.deadline,
                )
            ]
        )
        wake_relay_after_commit()


def register(saga: Saga) -> SagaStarter:
    """Make the process known to the workers; return what begins it."""
    if _sagas.setdefault(saga.name, saga) is not saga:
        raise ValueError(f"two sagas are named {saga.name}; rename one")
    return SagaStarter(saga)


def saga_named(name: str) -> Saga:
    """Return the declaration, or raise UnknownSaga."""
    try:
        return _sagas[name]
    except KeyError:
        raise UnknownSaga(name) from None


def wake_saga(*, name: str, subject_id: UUID) -> None:
    """Have the process look again now at what it waits for; one that is over, or was never begun, is left alone."""
    with connection.cursor() as cursor:
        cursor.execute(WAKE, [name, subject_id])
        is_woken = cursor.rowcount > 0
    if is_woken:
        wake_relay_after_commit()
