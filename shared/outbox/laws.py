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
    Law(
        number=5,
        title="each event that was relayed has its place in the feed",
        offenders="""
            SELECT id::text, topic || ' was relayed and has no place in the feed'
            FROM outbox_message WHERE NOT pending AND position IS NULL
            UNION ALL
            SELECT id::text, topic || ' was archived and has no place in the feed'
            FROM outbox_message_archive WHERE position IS NULL
        """,
    ),
    Law(
        number=5,
        title="the places of the feed are taken without gaps, and in the order of each aggregate",
        offenders="""
            WITH event AS (
                SELECT id, topic, aggregate_id, aggregate_sequence, position FROM outbox_message WHERE position IS NOT NULL
                UNION ALL SELECT id, topic, aggregate_id, aggregate_sequence, position FROM outbox_message_archive
            )
            SELECT 'feed', count(*) || ' events on the places from ' || min(position) || ' to ' || max(position)
            FROM event HAVING count(*) <> max(position) - min(position) + 1
            UNION ALL
            SELECT id::text, topic || ' stands before an earlier event of its aggregate' FROM (
                SELECT id, topic, position,
                       lag(position) OVER (PARTITION BY aggregate_id ORDER BY aggregate_sequence) AS before
                FROM event
            ) AS placed WHERE position < before
        """,
    ),
)
