"""Records who changed what, in the transaction of the change itself."""

from collections.abc import Mapping

from shared.audit.models import AuditEntryRow
from shared.audit.privacy import checked_text, recordable
from shared.domain.model import Primitive
from shared.persistence.clock import database_time
from shared.telemetry.context import current_work


def record_change(
    *,
    action: str,
    subject_kind: str,
    subject_id: str,
    before: Mapping[str, Primitive] | None,
    after: Mapping[str, Primitive] | None,
    reason: str = "",
) -> None:
    """Store who did what to which subject; raise ValueError for what may be personal, secret or no JSON.

    The port AuditTrail. Actor and correlation id are those of the work in hand. The database chains the entry to
    one that no open transaction is chaining to, so writers never wait for each other.
    """
    work = current_work()
    AuditEntryRow.objects.create(
        at=database_time(),
        actor=work.actor,
        action=checked_text(action),
        subject_kind=checked_text(subject_kind),
        subject_id=checked_text(subject_id),
        before=recordable(before),
        after=recordable(after),
        reason=checked_text(reason),
        correlation_id=work.correlation_id,
    )
