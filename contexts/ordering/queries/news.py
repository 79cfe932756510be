"""What is new about orders that somebody follows or waits for."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from contexts.ordering.domain import OrderStatus, PaymentStatus
from contexts.ordering.models import OrderRow
from shared.outbox.messages import HistoryEntry, continuations_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """How far somebody has followed an order: its last event, and the version that went with it."""

    order_id: UUID
    sequence: int
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderNews:
    """What happened to an order since somebody looked, and where it stands."""

    entries: Sequence[HistoryEntry]
    sequence: int
    version: int
    status: str
    payment_status: str
    fulfillment_status: str
    cancel_reason: str | None

    @property
    def is_complete(self) -> bool:
        """Tell whether the entries reach up to where the order stands."""
        return not self.entries or self.entries[-1].sequence >= self.sequence

    @property
    def is_over(self) -> bool:
        """Tell whether nothing more is expected to happen to the order."""
        if self.status == OrderStatus.CANCELLED:
            return self.payment_status in (PaymentStatus.FAILED, PaymentStatus.VOIDED, PaymentStatus.REFUNDED)
        return self.status == OrderStatus.COMPLETED


def news_of_orders(seen: Collection[Seen]) -> Mapping[Seen, OrderNews]:
    """Return where the orders stand and what happened since they were seen, in two statements for all of them."""
    columns = ("sequence", "version", "status", "payment_status", "fulfillment_status", "cancel_reason")
    rows = OrderRow.objects.filter(id__in={each.order_id for each in seen}).values("id", *columns)
    states = {row.pop("id"): row for row in rows}
    # The orders first: an event that one counts is in the tables by then.
    histories = continuations_of(
        {
            (each.order_id, each.sequence)
            for each in seen
            if each.order_id in states and states[each.order_id]["sequence"] > each.sequence
        }
    )
    return {
        each: OrderNews(
            entries=[
                entry
                for entry in histories.get((each.order_id, each.sequence), ())
                if entry.sequence <= states[each.order_id]["sequence"]
            ],
            **states[each.order_id],
        )
        for each in seen
        if each.order_id in states
    }


def settled_among(order_ids: Collection[UUID]) -> Collection[UUID]:
    """Return those of the orders that have left ``pending``."""
    left = OrderRow.objects.filter(id__in=order_ids).exclude(status=OrderStatus.PENDING.value)
    return set(left.values_list("id", flat=True))
