"""Checks the laws by the schedule, once however many schedulers there are, and keeps what was found."""

from collections.abc import Sequence
from datetime import timedelta

import structlog
from django.db import connection
from django.db.models.functions import Now

from shared.audit.laws import Finding, check_laws
from shared.audit.models import AuditRunRow
from shared.persistence.unit_of_work import atomic

#: Key of PostgreSQL's advisory lock under which a check is begun.
CHECKING = 0x5EA1_0003
#: Two schedulers are never quite of one mind; a check this much too early is one too many.
TOO_EARLY = 0.9  # of the pause between two checks
KEPT_FOR = timedelta(days=30)

_log = structlog.get_logger(__name__)


def check_on_schedule(*, every: timedelta) -> bool:
    """Check all laws and keep the findings, unless somebody has begun to since the schedule's last turn.

    Tells whether it did. A check whose worker is killed stays unfinished, and is made up for by the next one.
    """
    run_id = _begin(every)
    if run_id is None:
        return False
    findings = check_laws()
    _keep(run_id, findings)
    for broken in (finding for finding in findings if not finding.holds):
        _log.error(
            "law_broken",
            law=broken.law.number,
            title=broken.law.title,
            broken_by=broken.broken_by,
            offenders=[f"{what}: {why}" for what, why in broken.offenders],
        )
    return True


def _begin(every: timedelta) -> int | None:
    """Take this turn; the lock is of its own statement, so that the next one sees what another has just committed."""
    with atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [CHECKING])
        if cursor.fetchone() != (True,):
            return None
        if AuditRunRow.objects.filter(started_at__gt=Now() - every * TOO_EARLY).exists():
            return None
        return AuditRunRow.objects.create().pk


def _keep(run_id: int, findings: Sequence[Finding]) -> None:
    with atomic():
        AuditRunRow.objects.filter(pk=run_id).update(
            findings=[finding.as_record() for finding in findings], finished_at=Now()
        )
        AuditRunRow.objects.filter(started_at__lt=Now() - KEPT_FOR).delete()
