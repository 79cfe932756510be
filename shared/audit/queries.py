"""Reads of the audit trail: rows to frozen values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Q

from shared.audit.models import AuditEntryRow
from shared.persistence.plans import planned_for_its_values


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntryView:
    """A change as operators see it, with its place in the chain."""

    id: UUID
    at: datetime
    actor: str
    action: str
    subject_kind: str
    subject_id: str
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None
    reason: str
    correlation_id: str
    stream: int
    position: int
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditFilter:
    """Which changes are wanted; what is None does not matter."""

    actor: str | None = None
    action: str | None = None
    subject_kind: str | None = None
    subject_id: str | None = None
    at_from: datetime | None = None
    at_before: datetime | None = None


def audit_entries(wanted: AuditFilter, *, before: UUID | None, limit: int) -> Sequence[AuditEntryView]:
    """Return the changes that are wanted, the newest first: their ids are time-ordered.

    An index has the changes of each subject; other filters walk from the newest on, so narrow them by time.
    """
    given = {
        "actor": wanted.actor,
        "action": wanted.action,
        "subject_kind": wanted.subject_kind,
        "subject_id": wanted.subject_id,
        "at__gte": wanted.at_from,
        "at__lt": wanted.at_before,
        "id__lt": before,
    }
    condition = Q(**{name: value for name, value in given.items() if value is not None})
    if wanted.subject_id is not None and wanted.subject_kind is None:
        kinds = AuditEntryRow.objects.order_by().values_list("subject_kind", flat=True).distinct()
        condition &= Q(subject_kind__in=list(kinds))  # so that the index of subjects serves
    with planned_for_its_values():
        return [_view_of(row) for row in AuditEntryRow.objects.filter(condition).order_by("-id")[:limit]]


def audit_entry(entry_id: UUID) -> AuditEntryView | None:
    """Return one change."""
    row = AuditEntryRow.objects.filter(id=entry_id).first()
    return _view_of(row) if row is not None else None


def _view_of(row: AuditEntryRow) -> AuditEntryView:
    return AuditEntryView(
        id=row.id,
        at=row.at,
        actor=row.actor,
        action=row.action,
        subject_kind=row.subject_kind,
        subject_id=row.subject_id,
        before=row.before,
        after=row.after,
        reason=row.reason,
        correlation_id=row.correlation_id,
        stream=row.stream,
        position=row.position,
        digest=bytes(row.digest).hex(),
    )
