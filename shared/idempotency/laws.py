from shared.audit.laws import Law, declare

declare(
    Law(
        number=9,
        title="each idempotency key that was used has its answer",
        offenders="""
            SELECT caller || ' ' || key, 'was claimed at ' || created_at || ' and has no answer'
            FROM idempotency_key WHERE status IS NULL
        """,
    ),
)
