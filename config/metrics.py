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
