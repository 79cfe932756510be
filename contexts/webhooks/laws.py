"""What must be true of webhooks at any moment."""

from shared.audit.laws import Law, declare

declare(
    Law(
        number=5,
        title="each event has one delivery for each webhook endpoint that listened to its topic",
        offenders="""
            SELECT event.id::text, event.topic || ' was not told to endpoint ' || endpoint.id
            FROM webhooks_progress AS progress
            JOIN webhooks_endpoint AS endpoint ON endpoint.disabled_because = ''
            JOIN outbox_message AS event
                ON event.topic = ANY(endpoint.topics) AND event.position > endpoint.since
               AND event.position <= progress.position AND event.recorded_at > now() - interval '29 days'
            WHERE NOT EXISTS (
                SELECT FROM webhooks_delivery AS delivery
                WHERE delivery.endpoint_id = endpoint.id AND delivery.event_id = event.id
            )
        """,
    ),
    Law(
        number=5,
        title="no event has waited for more than ten minutes to become deliveries to webhook endpoints",
        offenders="""
            SELECT event.id::text, event.topic || ' was recorded at ' || event.recorded_at
            FROM webhooks_progress AS progress
            JOIN outbox_message AS event ON event.position > progress.position
            WHERE event.recorded_at < now() - interval '10 minutes'
              AND EXISTS (
                  SELECT FROM webhooks_endpoint AS endpoint
                  WHERE endpoint.disabled_because = '' AND event.topic = ANY(endpoint.topics)
                    AND endpoint.since < event.position
              )
        """,
    ),
    Law(
        number=5,
        title="each delivery to a webhook endpoint is told, dead, or still within its three days",
        offenders="""
            SELECT delivery.id::text, delivery.topic || ' is pending since ' || delivery.began_at
                   || CASE WHEN endpoint.disabled_because <> '' THEN ', and its endpoint is disabled' ELSE '' END
            FROM webhooks_delivery AS delivery JOIN webhooks_endpoint AS endpoint ON endpoint.id = delivery.endpoint_id
            WHERE delivery.status = 'pending' AND endpoint.removed_at IS NULL
              AND (delivery.began_at < now() - interval '3 days 3 hours' OR endpoint.disabled_because <> '')
        """,
    ),
    Law(
        number=5,
        title="of a webhook endpoint that was removed an hour ago nothing is left",
        offenders="""
            SELECT id::text, 'removed at ' || removed_at FROM webhooks_endpoint
            WHERE removed_at < now() - interval '1 hour'
        """,
    ),
)
