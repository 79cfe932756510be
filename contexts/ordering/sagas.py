"""The durable processes that ordering owns."""

from dataclasses import dataclass
from datetime import timedelta

from contexts.ordering.domain import ANYONE, Order, OrderId, OrderPayment, PaymentMeans
from contexts.ordering.ports import Authorization, AuthorizationReply, Orders, Payments, Stock
from shared.domain.errors import DomainError
from shared.domain.money import Money
from shared.domain.ports import Clock
from shared.domain.saga import Exchange, Local, Remote, Saga, SagaRun, Stage, Wait

ASK_AGAIN = Wait(pause=timedelta(seconds=1))


@dataclass(frozen=True, slots=True)
class Checkout:
    """From placed to confirmed, or back: no money without an order, no order without money."""

    orders: Orders
    stock: Stock
    payments: Payments
    now: Clock

    @property
    def saga(self) -> Saga:
        """Return the process: secure the units, have the money reserved, confirm; else undo and cancel."""
        return Saga(
            name="ordering.checkout",
            stages=(
                Stage(step=Local(name="secure_stock", do=self.secure_stock)),
                Stage(
                    step=Exchange(
                        name="authorize_payment",
                        begin=self.begin_authorization,
                        ask=self.ask_provider,
                        note=self.note_answer,
                    ),
                    undo=Remote(name="void_payment", do=self.void_payment),
                ),
                Stage(step=Local(name="confirm_order", do=self.confirm_order), pivot=True),
            ),
            otherwise=Local(name="cancel_order", do=self.cancel_order),
            deadline=timedelta(minutes=30),
        )

    def secure_stock(self, run: SagaRun) -> None:
        """Turn the promise of units into a lasting one before money moves."""
        self._order(run).must_be_open()
        self.stock.secure(order_id=OrderId(run.subject_id))

    def begin_authorization(self, run: SagaRun, key: str) -> Authorization:
        """Store that the provider is to be asked to reserve the total."""
        return self.payments.authorize(
            order_id=OrderId(run.subject_id),
            amount=_amount_of(run),
            means=_means_of(run),
            key=key,
        )

    def ask_provider(self, authorization: Authorization) -> AuthorizationReply:
        """Have the provider reserve the total."""
        return authorization.ask()

    def note_answer(self, run: SagaRun, reply: AuthorizationReply) -> Wait | DomainError | None:  # noqa: ARG002 - a step
        """Keep what the provider said, and go on, ask again or give up accordingly."""
        match reply.note():
            case "authorized":
                return None
            case "pending":
                return ASK_AGAIN
            case refusal:
                return refusal

    def void_payment(self, run: SagaRun, key: str) -> Wait | None:
        """Have the provider give the reservation up."""
        outcome = self.payments.refuse(
            order_id=OrderId(run.subject_id), amount=_amount_of(run), means=_means_of(run), key=key
        )
        return ASK_AGAIN if outcome == "pending" else None

    def confirm_order(self, run: SagaRun) -> None:
        """Take the order as good, now that its payment is authorised."""
        order = self._order(run)
        payment = self.payments.of(OrderId(order.id)) or OrderPayment.awaited(order.currency)
        order.confirm(payment=payment, at=self.now())
        self.orders.save(order)

    def cancel_order(self, run: SagaRun) -> None:
        """Give the order up, and tell why."""
        order = self._order(run)
        order.note_payment(self.payments.of(OrderId(order.id)) or OrderPayment.never_begun(order.currency))
        order.cancel(reason=run.reason, at=self.now())
        self.orders.save(order)

    def _order(self, run: SagaRun) -> Order:
        return self.orders.get(OrderId(run.subject_id), of_customer=ANYONE)


def _amount_of(run: SagaRun) -> Money:
    return Money(int(str(run.data["amount_minor"])), str(run.data["currency"]))


def _means_of(run: SagaRun) -> PaymentMeans:
    return PaymentMeans(method=str(run.data["method"]), token=str(run.data["token"]))
