"""What can be done with an order: one callable per verb."""

from dataclasses import dataclass

from contexts.ordering.domain import (
    ANYONE,
    Anyone,
    CustomerId,
    EmailRequired,
    Note,
    Order,
    OrderId,
    OrderRequest,
    OrdersInProgress,
    PaymentMethodNotAccepted,
    ShippingMethod,
)
from contexts.ordering.ports import Customers, CustomerTraces, Orders, Payments, PriceList, ShippingMethods, Stock
from shared.domain.ports import AuditTrail, Clock, NewId, StartSaga, UnitOfWork


@dataclass(frozen=True, slots=True)
class PlaceOrder:
    """Accept an order: prices, promises of stock and the start of its payment, all at once or not at all."""

    orders: Orders
    prices: PriceList
    shipping_methods: ShippingMethods
    stock: Stock
    payments: Payments
    customers: Customers
    begin_checkout: StartSaga
    unit_of_work: UnitOfWork
    new_id: NewId
    now: Clock

    def __call__(self, *, request: OrderRequest, customer_id: CustomerId | None) -> Order:
        if not self.payments.accepts(request.payment.method):
            raise PaymentMethodNotAccepted(method=request.payment.method)
        with self.unit_of_work():
            order = Order.place(
                id=OrderId(self.new_id()),
                line_ids=[self.new_id() for _ in request.lines],
                request=request,
                customer_id=customer_id,
                email=self._email_for(request, customer_id),
                quotes=self.prices.quotes_of(request.skus, currency=request.currency),
                shipping_method=self.shipping_methods.get(request.shipping_method, currency=request.currency),
                at=self.now(),
            )
            self.stock.hold(order_id=OrderId(order.id), wanted=order.units_by_sku)
            self.orders.save(order)
            self.begin_checkout(
                subject_id=order.id,
                data={
                    "method": request.payment.method,
                    "token": request.payment.token,
                    "amount_minor": order.total.minor,
                    "currency": order.currency,
                },
            )
        return order

    def _email_for(self, request: OrderRequest, customer_id: CustomerId | None) -> str:
        email = request.email or (self.customers.email_of(customer_id) if customer_id else None)
        if not email:
            raise EmailRequired
        return email


@dataclass(frozen=True, slots=True)
class CancelOrder:
    """Give up an order that has not shipped yet."""

    orders: Orders
    record_change: AuditTrail
    unit_of_work: UnitOfWork
    now: Clock

    def __call__(
        self,
        *,
        order_id: OrderId,
        of_customer: CustomerId | Anyone,
        reason: str,
        expected_version: int | None = None,
    ) -> Order:
        with self.unit_of_work():
            order = self.orders.get(order_id, of_customer=of_customer)
            order.must_be_at(expected_version)
            before = order.status
            order.cancel(reason=reason, at=self.now())
            self.orders.save(order)
            if of_customer is ANYONE and order.status is not before:
                self.record_change(
                    action="ordering.cancel_order",
                    subject_kind="order",
                    subject_id=str(order.id),
                    before={"status": before.value},
                    after={"status": order.status.value},
                    reason=reason,
                )
        return order


@dataclass(frozen=True, slots=True)
class ForgetCustomer:
    """Make the orders of a customer anonymous; they stay valid, and so do their sums."""

    traces: CustomerTraces
    unit_of_work: UnitOfWork

    def __call__(self, *, customer_id: CustomerId) -> None:
        """Remove the traces, or raise OrdersInProgress."""
        with self.unit_of_work():
            if self.traces.are_needed(customer_id):
                raise OrdersInProgress
            self.traces.remove(customer_id)


@dataclass(frozen=True, slots=True)
class AddNote:
    """Keep with an order what its operators should know; the audit trail is not told what, for it never forgets."""

    orders: Orders
    record_change: AuditTrail
    unit_of_work: UnitOfWork
    new_id: NewId
    now: Clock

    def __call__(self, *, order_id: OrderId, text: str, author: str, expected_version: int | None = None) -> Note:
        with self.unit_of_work():
            order = self.orders.get(order_id, of_customer=ANYONE)
            order.must_be_at(expected_version)
            note = Note(id=self.new_id(), text=text, author=author, written_at=self.now())
            order.add_note(note)
            self.orders.save(order)
            self.record_change(
                action="ordering.add_note",
                subject_kind="order",
                subject_id=str(order.id),
                before=None,
                after={"note_id": str(note.id)},
            )
        return note


@dataclass(frozen=True, slots=True)
class NotePayment:
    """Keep with the order what became of its money."""

    orders: Orders
    payments: Payments
    unit_of_work: UnitOfWork

    def __call__(self, *, order_id: OrderId) -> None:
        with self.unit_of_work():
            order = self.orders.get(order_id, of_customer=ANYONE)
            payment = self.payments.of(order_id)
            if payment is None or payment == order.payment:
                return
            order.note_payment(payment)
            self.orders.save(order)


@dataclass(frozen=True, slots=True)
class OfferShippingMethod:
    """Have a shipping method at a price."""

    shipping_methods: ShippingMethods
    unit_of_work: UnitOfWork

    def __call__(self, *, method: ShippingMethod) -> None:
        with self.unit_of_work():
            self.shipping_methods.ensure(method)
