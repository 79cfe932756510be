"""The durable processes that payments owns."""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from contexts.payments.domain import OrderId
from contexts.payments.use_cases import VoidPayment
from shared.domain.saga import Remote, Saga, SagaRun, Stage, Wait

ASK_AGAIN = Wait(pause=timedelta(seconds=2))


@dataclass(frozen=True, slots=True)
class Voiding:
    """Give back what was reserved for a cancelled order; there is no way back from that.

    Its subject is the order, or the payment where an approval came so late that the order's voiding was over.
    """

    void_payment: VoidPayment

    @property
    def saga(self) -> Saga:
        """Return the process: one request to the provider, repeated until it is settled."""
        return Saga(
            name="payments.voiding",
            stages=(Stage(step=Remote(name="void_payment", do=self.void)),),
            otherwise=None,
            deadline=timedelta(hours=24),
        )

    def void(self, run: SagaRun, key: str) -> Wait | None:
        """Have the provider give the reservation up."""
        order_id = OrderId(UUID(str(run.data["order_id"])))
        outcome = self.void_payment(order_id=order_id, key=key)
        return ASK_AGAIN if outcome == "pending" else None
