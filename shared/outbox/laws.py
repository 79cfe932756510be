from shared.audit.laws import Law, declare

declare(
    Law(
        number=5,
        title="each delivery that is not finished is due, and none is long overdue",
        offenders="""
            SELECT id::text, subscription || ' has been due since ' || due_at
            FROM outbox_delivery WHERE status = 'pending' AND due_at < now() - interval '10 minutes'
        """,
    ),
    Law(
        number=5,
        title="no event has waited for a relay for more than ten minutes",
        offenders="""
            SELECT id::text, topic || ' was recorded at ' || recorded_at
            FROM outbox_message WHERE pending AND recorded_at < now() - interval '10 minutes'
        """,
    ),
    Law(
        number=5,
        title="the events of each aggregate are counted without gaps",
        offenders="""
            SELECT aggregate_id::text, count(*) || ' events, the last one numbered ' || max(aggregate_sequence)
            FROM (
                SELECT aggregate_id, aggregate_sequence FROM outbox_message
                UNION ALL SELECT aggregate_id, aggregate_sequence FROM outbox_message_archive
            ) AS event
            GROUP BY aggregate_id HAVING count(*) <> max(aggregate_sequence)
        """,
    ),
)
