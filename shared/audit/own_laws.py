"""The laws of the audit trail itself."""

from shared.audit.laws import Law, declare
from shared.audit.verification import breaks_in_chain

declare(
    Law(number=8, title="the audit chain verifies", offenders=breaks_in_chain),
    Law(
        number=8,
        title="no audit entry has waited for its seal for more than a minute",
        offenders="""
            SELECT e.id::text,
                   'was recorded at ' || e.recorded_at || '; stream ' || s.id || ' has no seal from there on'
            FROM audit_stream AS s
            JOIN audit_entry AS e ON e.stream = s.id
             AND e.position = 1 + coalesce((SELECT max(position) FROM audit_seal WHERE stream = s.id), 0)
            WHERE s.id > 0 AND e.recorded_at < now() - interval '1 minute'
        """,
    ),
)
