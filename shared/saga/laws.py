from shared.audit.laws import Law, declare

declare(
    Law(
        number=6,
        title="each process is finished, or has a lease or a due date",
        offenders="""
            SELECT id::text, name || ' has been due since ' || due_at
            FROM saga
            WHERE status IN ('running', 'undoing')
              AND due_at < now() - interval '10 minutes'
              AND (leased_until IS NULL OR leased_until < now() - interval '10 minutes')
        """,
    ),
    Law(
        number=6,
        title="a finished process has no step left open",
        offenders="""
            SELECT saga.id::text, saga.name || ' left ' || step.name || ' ' || step.status
            FROM saga JOIN saga_step AS step ON step.saga_id = saga.id
            WHERE saga.status = 'completed' AND step.status IN ('intended', 'unknown')
        """,
    ),
)
