"""What operators see first: how the day goes, and what waits for them."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from contexts.inventory import queries as inventory
from contexts.ordering import queries as ordering
from contexts.payments import queries as payments
from contexts.webhooks import queries as webhooks
from shared.outbox import queries as outbox
from shared.persistence.admin import amount, moment
from shared.saga import queries as saga

#: A checkout takes a second or two; whatever is pending for longer waits for something.
USUAL_CHECKOUT = timedelta(minutes=5)
#: A relay takes an event within milliseconds, and a sweep within five seconds.
USUAL_RELAY = timedelta(seconds=10)
SHOWN_OF_EACH = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """A number with a link to the rows behind it; alarming when it is not zero."""

    title: str
    value: int
    hint: str
    url: str

    @property
    def is_alarming(self) -> bool:
        """Tell whether somebody should look."""
        return self.value > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Matter:
    """A row that needs attention."""

    kind: str
    colour: str
    text: str
    since: str
    url: str


@dataclass(frozen=True, slots=True)
class Watch:
    """A kind of trouble: who may see it, how much there is of it, and which rows are worst."""

    permission: str
    card: Callable[[], Card]
    matters: Callable[[], Iterator[Matter]]


def dashboard(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Add the numbers that this operator may see to the context of the first page."""
    watches = [watch for watch in _watches(timezone.now()) if request.user.has_perm(watch.permission)]
    return context | {
        "title": "Dashboard",
        "sales": _sales() if request.user.has_perm("ordering.view_orderrow") else None,
        "cards": [watch.card() for watch in watches],
        "matters": [matter for watch in watches for matter in watch.matters()],
    }


def _sales() -> dict[str, Any]:
    """Return the orders and the revenue of today, in UTC: by the index on the time of placing."""
    today = timezone.now().replace(hour=0, minute=0, second=0, microsecond=0)
    sales = ordering.sales_since(today)
    return {
        "orders": sum(each.orders for each in sales),
        "revenue": [amount(each.revenue) for each in sales],
        "url": f"{reverse('admin:ordering_orderrow_changelist')}?placed_at_from={today:%Y-%m-%d}",
    }


def _watches(now: datetime) -> Sequence[Watch]:
    """Return what is watched; all but low stock is counted by an index that has just the rows in trouble."""
    late = now - USUAL_CHECKOUT
    return (
        Watch("ordering.view_orderrow", lambda: _pending_card(late), lambda: _pending_orders(late)),
        Watch("payments.view_paymentrow", _unknown_card, _unknown_payments),
        Watch("outbox.view_outboxmessagerow", lambda: _lag_card(now), lambda: _waiting_events(now)),
        Watch("outbox.view_deliveryrow", _dead_card, _dead_letters),
        Watch("webhooks.view_deliveryrow", _untold_card, _untold),
        Watch("webhooks.view_endpointrow", _lost_card, _lost_endpoints),
        Watch("saga.view_sagarow", _overdue_card, _overdue_processes),
        Watch("inventory.view_stockitemrow", _low_card, _low_stock),
    )


def _pending_card(late: datetime) -> Card:
    return Card(
        title="Pending orders",
        value=ordering.count_pending_orders(placed_before=late),
        hint="waiting for longer than 5 minutes",
        url=f"{reverse('admin:ordering_orderrow_changelist')}?status__exact=pending",
    )


def _pending_orders(late: datetime) -> Iterator[Matter]:
    for order in ordering.oldest_pending_orders(placed_before=late, limit=SHOWN_OF_EACH):
        yield Matter(
            kind="pending order",
            colour="warning",
            text=f"{order.number}, {order.total}",
            since=moment(order.placed_at),
            url=_page_of("ordering_orderrow", order.id),
        )


def _unknown_card() -> Card:
    return Card(
        title="Unknown payments",
        value=payments.count_unknown_payments(),
        hint="the provider has not answered",
        url=f"{reverse('admin:payments_paymentrow_changelist')}?status__exact=unknown",
    )


def _unknown_payments() -> Iterator[Matter]:
    for payment in payments.oldest_unknown_payments(limit=SHOWN_OF_EACH):
        yield Matter(
            kind="unknown payment",
            colour="warning",
            text=f"{payment.amount} for order {payment.order_id}",
            since=moment(payment.since),
            url=_page_of("payments_paymentrow", payment.id),
        )


def _lag_card(now: datetime) -> Card:
    return Card(
        title="Events not relayed",
        value=outbox.count_waiting_events(recorded_before=now - USUAL_RELAY),
        hint=f"waiting for longer than {USUAL_RELAY.seconds} seconds",
        url=f"{reverse('admin:outbox_outboxmessagerow_changelist')}?pending__exact=1",
    )


def _waiting_events(now: datetime) -> Iterator[Matter]:
    for event in outbox.longest_waiting_events(recorded_before=now - USUAL_RELAY, limit=SHOWN_OF_EACH):
        yield Matter(
            kind="event not relayed",
            colour="danger",
            text=event.topic,
            since=moment(event.recorded_at),
            url=_page_of("outbox_outboxmessagerow", event.id),
        )


def _dead_card() -> Card:
    return Card(
        title="Dead letters",
        value=outbox.count_dead_letters(),
        hint="deliveries given up",
        url=f"{reverse('admin:outbox_deliveryrow_changelist')}?status__exact=dead",
    )


def _dead_letters() -> Iterator[Matter]:
    for letter in outbox.oldest_dead_letters(limit=SHOWN_OF_EACH):
        yield Matter(
            kind="dead letter",
            colour="danger",
            text=f"{letter.topic} to {letter.subscription}",
            since=moment(letter.died_at),
            url=_page_of("outbox_deliveryrow", letter.id),
        )


def _untold_card() -> Card:
    return Card(
        title="Dead webhooks",
        value=webhooks.count_dead(),
        hint="endpoints were not told",
        url=f"{reverse('admin:webhooks_deliveryrow_changelist')}?status__exact=dead",
    )


def _untold() -> Iterator[Matter]:
    for letter in webhooks.oldest_dead(limit=SHOWN_OF_EACH):
        yield Matter(
            kind="dead webhook",
            colour="warning",
            text=f"{letter.topic} to {letter.url}",
            since=moment(letter.died_at),
            url=_page_of("webhooks_deliveryrow", letter.id),
        )


def _lost_card() -> Card:
    return Card(
        title="Lost endpoints",
        value=webhooks.count_lost(),
        hint="disabled, though nobody wished it",
        url=f"{reverse('admin:webhooks_endpointrow_changelist')}?state=disabled",
    )


def _lost_endpoints() -> Iterator[Matter]:
    for endpoint in webhooks.newest_lost(limit=SHOWN_OF_EACH):
        yield Matter(
            kind="lost endpoint",
            colour="warning",
            text=f"{endpoint.url}: {endpoint.disabled_because}",
            since=moment(endpoint.failing_since),
            url=_page_of("webhooks_endpointrow", endpoint.id),
        )


def _overdue_card() -> Card:
    return Card(
        title="Overdue processes",
        value=saga.count_overdue_processes(),
        hint="past their deadline",
        url=f"{reverse('admin:saga_sagarow_changelist')}?overdue=yes",
    )


def _overdue_processes() -> Iterator[Matter]:
    for process in saga.longest_overdue_processes(limit=SHOWN_OF_EACH):
        yield Matter(
            kind="overdue process",
            colour="danger",
            text=f"{process.name} of {process.subject_id}",
            since=moment(process.deadline_at),
            url=_page_of("saga_sagarow", process.id),
        )


def _low_card() -> Card:
    return Card(
        title="Low stock",
        value=inventory.count_low_stock(),
        hint=f"{inventory.LOW_STOCK} units or fewer to promise",
        url=f"{reverse('admin:inventory_stockitemrow_changelist')}?level=low",
    )


def _low_stock() -> Iterator[Matter]:
    for item in inventory.lowest_stock(limit=SHOWN_OF_EACH):
        yield Matter(
            kind="low stock",
            colour="info",
            text=f"{item.sku} at {item.location}: {item.available} available",
            since="",
            url=_page_of("inventory_stockitemrow", item.id),
        )


def _page_of(name: str, object_id: object) -> str:
    return reverse(f"admin:{name}_change", args=[object_id])
