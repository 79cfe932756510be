"""Figures of the business: what was ordered, and what became of it. No label has more values than the source names."""

from prometheus_client import Counter

from contexts.ordering.events import OrderCancelled, OrderConfirmed, OrderPlaced
from shared.domain.money import exponent_of
from shared.outbox.meters import meter

PLACED = Counter("orderly_orders_placed_total", "Orders accepted.", ("currency",))
CONFIRMED = Counter("orderly_orders_confirmed_total", "Orders whose payment was authorised.", ("currency",))
CANCELLED = Counter(
    "orderly_orders_cancelled_total", "Orders given up, by the process's reason or on_request.", ("reason",)
)
REVENUE = Counter(
    "orderly_revenue_total",
    "Totals of confirmed orders, in units of the currency; refunds are not taken off.",
    ("currency",),
)

#: Why a checkout gives an order up. Any other reason is in the words of a customer or an operator.
REASONS = frozenset({"payment_declined", "hold_expired", "deadline_passed", "given_up_by_operator"})

#: Gauges computed from the tables of contexts: name, help, SQL, label.
GAUGES = (
    ("orderly_payments_unknown", "Payments of which nobody knows whether they were charged.",
     "SELECT count(*) FROM payments_payment WHERE status = 'unknown'", ""),
    ("orderly_payments_unknown_age_seconds", "Age of the oldest payment of which nobody knows whether it was charged.",
     "SELECT coalesce(extract(epoch FROM now() - min(created_at)), 0) FROM payments_payment WHERE status = 'unknown'",
     ""),
    ("orderly_webhook_deliveries_dead", "Deliveries to webhook endpoints that were given up.",
     "SELECT count(*) FROM webhooks_delivery AS delivery JOIN webhooks_endpoint AS endpoint "
     "ON endpoint.id = delivery.endpoint_id AND endpoint.removed_at IS NULL WHERE delivery.status = 'dead'", ""),
    ("orderly_webhook_deliveries_pending", "Deliveries that webhook endpoints have yet to take.",
     "SELECT count(*) FROM webhooks_delivery AS delivery JOIN webhooks_endpoint AS endpoint "
     "ON endpoint.id = delivery.endpoint_id AND endpoint.removed_at IS NULL WHERE delivery.status = 'pending'", ""),
    ("orderly_webhook_endpoints_disabled", "Webhook endpoints to which nothing is sent, by why.",
     "SELECT disabled_because, count(*) FROM webhooks_endpoint "
     "WHERE disabled_because <> '' AND removed_at IS NULL GROUP BY disabled_because",
     "because"),
    ("orderly_webhook_endpoints_failing", "Enabled webhook endpoints that have taken nothing since their last failure.",
     "SELECT count(*) FROM webhooks_endpoint WHERE disabled_because = '' AND failing_since IS NOT NULL", ""),
    ("orderly_webhook_lag_seconds", "Age of the oldest event of which no sender has made webhooks yet.",
     "SELECT coalesce(extract(epoch FROM now() - min(event.recorded_at)), 0) "
     "FROM outbox_message AS event JOIN webhooks_progress AS progress ON event.position > progress.position "
     "WHERE EXISTS (SELECT FROM webhooks_endpoint WHERE disabled_because = '')", ""),
    ("orderly_webhook_overdue_seconds", "How long the longest overdue webhook has been due, of endpoints that work.",
     "SELECT greatest(coalesce(extract(epoch FROM now() - min(due_at)), 0), 0) "
     "FROM webhooks_delivery AS delivery JOIN webhooks_endpoint AS endpoint ON endpoint.id = delivery.endpoint_id "
     "WHERE delivery.status = 'pending' AND endpoint.failing_since IS NULL AND endpoint.removed_at IS NULL", ""),
)  # fmt: skip


@meter(OrderPlaced)
def count_placed(event: OrderPlaced) -> None:
    """Count an accepted order."""
    PLACED.labels(event.currency).inc()


@meter(OrderConfirmed)
def count_confirmed(event: OrderConfirmed) -> None:
    """Count a confirmed order and what it is worth."""
    CONFIRMED.labels(event.currency).inc()
    REVENUE.labels(event.currency).inc(event.total_minor / 10 ** exponent_of(event.currency))


@meter(OrderCancelled)
def count_cancelled(event: OrderCancelled) -> None:
    """Count an order that was given up."""
    CANCELLED.labels(event.reason if event.reason in REASONS else "on_request").inc()
