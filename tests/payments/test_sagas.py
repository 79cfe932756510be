from datetime import timedelta
from uuid import uuid4

import pytest

from contexts.payments.domain import PaymentStatus
from contexts.payments.sagas import ASK_AGAIN, Voiding
from contexts.payments.use_cases import VoidPayment
from shared.domain.errors import ExternalAPIError
from shared.domain.saga import Remote, SagaRun, Wait
from tests.payments.builders import AUTHORIZE_KEY, an_authorized_payment, an_order_id, an_unknown_payment
from tests.payments.fakes import Behaviour, InMemoryPayments, OneGateway, ScriptedGateway
from tests.shared.fakes import ObservedUnitOfWork, SettableClock

ORDER_ID = an_order_id()
RUN = SagaRun(saga_id=uuid4(), subject_id=ORDER_ID, data={"order_id": str(ORDER_ID)})


@pytest.fixture
def payments() -> InMemoryPayments:
    return InMemoryPayments()


@pytest.fixture
def gateway() -> ScriptedGateway:
    return ScriptedGateway()


@pytest.fixture
def voiding(payments: InMemoryPayments, gateway: ScriptedGateway) -> Voiding:
    return Voiding(
        void_payment=VoidPayment(
            payments=payments,
            gateways=OneGateway(gateway),
            unit_of_work=ObservedUnitOfWork(),
            now=SettableClock(),
        )
    )


class TestVoiding:
    def test_is_one_request_without_a_way_back(self, voiding: Voiding) -> None:
        (stage,) = voiding.saga.stages

        assert (voiding.saga.name, stage.step.name, stage.undo) == ("payments.voiding", "void_payment", None)
        assert isinstance(stage.step, Remote)
        assert voiding.saga.otherwise is None

    def test_gives_back_what_the_order_reserved_under_the_key_of_the_step(
        self, voiding: Voiding, payments: InMemoryPayments, gateway: ScriptedGateway
    ) -> None:
        payments.save(an_authorized_payment(order_id=ORDER_ID))

        assert voiding.void(RUN, "key-1") is None

        assert gateway.calls == [("void", "key-1")]
        payment = payments.for_order(ORDER_ID)
        assert payment is not None
        assert payment.status is PaymentStatus.VOIDED

    def test_waits_while_the_outcome_of_the_reservation_is_open(
        self, voiding: Voiding, payments: InMemoryPayments, gateway: ScriptedGateway
    ) -> None:
        payments.save(an_unknown_payment(order_id=ORDER_ID))

        assert voiding.void(RUN, "key-1") == ASK_AGAIN == Wait(pause=timedelta(seconds=2))

        assert gateway.calls == [("find", AUTHORIZE_KEY)]

    def test_leaves_failures_to_the_process(
        self, voiding: Voiding, payments: InMemoryPayments, gateway: ScriptedGateway
    ) -> None:
        payments.save(an_authorized_payment(order_id=ORDER_ID))
        gateway.script.append(Behaviour.UNREACHABLE)

        with pytest.raises(ExternalAPIError):
            voiding.void(RUN, "key-1")
