"""What is logged and counted of processes: only what was committed, and under the work that it belongs to."""

from functools import partial

import structlog
from django.db import transaction
from prometheus_client import Counter

from shared.saga.models import SagaRow
from shared.telemetry.context import WorkContext, current_work, working_as

STEPS = Counter(
    "orderly_saga_steps_total",
    "Steps of processes, by how they ended: done, refused, or unsettled and tried again.",
    ("saga", "step", "outcome"),
)
FINISHED = Counter(
    "orderly_sagas_finished_total", "Processes that came to their end: completed or undone.", ("saga", "status")
)

_log = structlog.get_logger(__name__)


def tell_of_step(row: SagaRow, step: str, outcome: str) -> None:
    """Log and count how a step ended, once that is committed."""
    transaction.on_commit(partial(_step_ended, current_work(), row.name, str(row.subject_id), step, outcome))


def tell_of_end(row: SagaRow) -> None:
    """Log and count how the process ended, once that is committed."""
    transaction.on_commit(partial(_finished, current_work(), row.name, str(row.subject_id), str(row.status)))


def _step_ended(work: WorkContext, saga: str, subject_id: str, step: str, outcome: str) -> None:
    STEPS.labels(saga, step, outcome).inc()
    with working_as(work):
        _log.info("saga_step_ended", saga=saga, step=step, outcome=outcome, subject_id=subject_id)


def _finished(work: WorkContext, saga: str, subject_id: str, status: str) -> None:
    FINISHED.labels(saga, status).inc()
    with working_as(work):
        _log.info("saga_finished", saga=saga, status=status, subject_id=subject_id)
