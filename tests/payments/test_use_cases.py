from datetime import timedelta
from typing import Protocol

import pytest

from contexts.payments.domain import (
    LEAVES_WITHIN,
    NEVER_ARRIVED,
    REQUEST_LIFETIME,
    OrderId,
    OutcomeStatus,
    Payment,
    PaymentDeclined,
    PaymentGivenUp,
    PaymentId,
    PaymentNotFound,
    PaymentStatus,
    RequestOutdated,
    UnknownPaymentMethod,
)
from contexts.payments.events import PaymentAuthorized, PaymentBecameUnknown, PaymentVoided
from contexts.payments.events import PaymentDeclined as PaymentDeclinedEvent
from contexts.payments.use_cases import AuthorizePayment, RefusePayment, ResolvePayment, ReturnMoney, VoidPayment
from shared.domain.errors import DomainError, ExternalAPIError, OutcomeUnknown
from shared.domain.model import Event
from shared.domain.money import Money
from tests.payments.builders import (
    AUTHORIZE_KEY,
    VOID_KEY,
    a_declined_payment,
    a_voided_payment,
    an_attempted_payment,
    an_authorized_payment,
    an_order_id,
    an_outcome,
    an_unknown_payment,
)
from tests.payments.fakes import Behaviour, InMemoryPayments, OneGateway, ScriptedGateway
from tests.shared.fakes import (
    InMemoryAuditTrail,
    ObservedUnitOfWork,
    RecordingSagaStarter,
    SequentialIds,
    SettableClock,
)

AMOUNT = Money(4490, "EUR")


class BuildPayment(Protocol):
    def __call__(self, *, order_id: OrderId) -> Payment: ...


class Till:
    """The use cases of payments over a scripted provider, for one order."""

    def __init__(self) -> None:
        self.order_id = an_order_id()
        self.clock = SettableClock()
        self.unit_of_work = ObservedUnitOfWork()
        self.payments = InMemoryPayments()
        self.gateway = ScriptedGateway(unit_of_work=self.unit_of_work)
        self.begin_voiding = RecordingSagaStarter()
        gateways = OneGateway(self.gateway)
        self._authorize = AuthorizePayment(
            payments=self.payments,
            gateways=gateways,
            begin_voiding=self.begin_voiding,
            unit_of_work=self.unit_of_work,
            new_id=SequentialIds(),
            now=self.clock,
        )
        self._void = VoidPayment(
            payments=self.payments, gateways=gateways, unit_of_work=self.unit_of_work, now=self.clock
        )
        self._refuse = RefusePayment(
            payments=self.payments,
            void_payment=self._void,
            unit_of_work=self.unit_of_work,
            new_id=SequentialIds(),
            now=self.clock,
        )
        self._return_money = ReturnMoney(
            payments=self.payments, begin_voiding=self.begin_voiding, unit_of_work=self.unit_of_work
        )

        self.record_change = InMemoryAuditTrail()
        self.resolve_payment = ResolvePayment(
            payments=self.payments,
            gateways=gateways,
            begin_voiding=self.begin_voiding,
            record_change=self.record_change,
            unit_of_work=self.unit_of_work,
            now=self.clock,
        )

    def resolve(self) -> PaymentStatus:
        """Have the provider asked what came of the payment."""
        return self.resolve_payment(payment_id=PaymentId(self.payment.id), reason="the customer called").status

    def authorize(self, *, key: str = AUTHORIZE_KEY, method: str = "simulator") -> str:
        """Have the amount reserved, as a process does; raise the refusal that is told once the answer is kept."""
        authorization = self._authorize(order_id=self.order_id, amount=AMOUNT, method=method, token="tok_any", key=key)
        verdict = authorization.ask().note()
        if isinstance(verdict, DomainError):
            raise verdict
        return verdict

    def void(self, *, key: str = VOID_KEY) -> str:
        """Have the reservation given up."""
        return self._void(order_id=self.order_id, key=key)

    def refuse(self, *, key: str = VOID_KEY) -> str:
        """Have the order never be paid."""
        return self._refuse(order_id=self.order_id, amount=AMOUNT, method="simulator", key=key)

    def return_money(self) -> None:
        """See to it that the order keeps no money."""
        self._return_money(order_id=self.order_id)

    def has(self, payment: Payment) -> None:
        """Have the payment stored."""
        self.payments.save(payment)

    def give_up(self) -> None:
        """Want the payment no more."""
        payment = self.payment
        payment.give_up()
        self.payments.save(payment)

    @property
    def payment(self) -> Payment:
        """Return the payment as it is stored."""
        payment = self.payments.for_order(self.order_id)
        assert payment is not None
        return payment

    @property
    def told(self) -> list[type[Event]]:
        """Return the kinds of events that were published."""
        return [type(event) for event in self.payments.events]


@pytest.fixture
def till() -> Till:
    return Till()


class TestAuthorizePayment:
    def test_approved_is_authorized(self, till: Till) -> None:
        assert till.authorize() == "authorized"

        assert (till.payment.status, till.payment.reference) == (PaymentStatus.AUTHORIZED, "auth_1")
        assert till.gateway.reserved == {"auth_1": AMOUNT}
        assert till.gateway.references == {AUTHORIZE_KEY: str(till.order_id)}
        assert till.told == [PaymentAuthorized]

    def test_asks_outside_any_unit_of_work_with_its_intent_committed(self, till: Till) -> None:
        till.authorize()

        assert till.gateway.calls == [("authorize", AUTHORIZE_KEY)]
        assert till.unit_of_work.committed == 2

    def test_declined_is_refused_with_the_providers_reason(self, till: Till) -> None:
        till.gateway.script.append(Behaviour.DECLINE)

        with pytest.raises(PaymentDeclined, match="The payment was declined") as refusal:
            till.authorize()

        assert refusal.value.details == {"failure_code": "card_declined"}
        assert till.payment.status is PaymentStatus.FAILED
        assert till.told == [PaymentDeclinedEvent]

    def test_declined_stays_declined_without_asking_again(self, till: Till) -> None:
        till.gateway.script.append(Behaviour.DECLINE)

        for _ in range(2):
            with pytest.raises(PaymentDeclined):
                till.authorize()

        assert till.gateway.calls == [("authorize", AUTHORIZE_KEY)]

    def test_twice_asks_the_provider_once(self, till: Till) -> None:
        assert till.authorize() == till.authorize() == "authorized"

        assert till.gateway.calls == [("authorize", AUTHORIZE_KEY)]
        assert len(till.payments) == 1
        assert till.told == [PaymentAuthorized]

    def test_pending_waits_for_the_customer(self, till: Till) -> None:
        till.gateway.script.append(Behaviour.ASK_CUSTOMER)

        assert till.authorize() == "pending"

        assert (till.payment.status, till.payment.reference) == (PaymentStatus.PENDING, "auth_1")

    def test_pending_then_answered_is_found_and_not_asked_for_again(self, till: Till) -> None:
        till.gateway.script.append(Behaviour.ASK_CUSTOMER)
        till.authorize()

        assert till.authorize() == "pending"
        till.gateway.decide(AUTHORIZE_KEY, an_outcome())
        assert till.authorize() == "authorized"

        assert [call for call, _ in till.gateway.calls] == ["authorize", "find", "find"]

    def test_without_an_answer_says_that_nobody_knows(self, till: Till) -> None:
        till.gateway.script.append(Behaviour.LOSE_ANSWER)

        with pytest.raises(OutcomeUnknown, match="may or may not have done what it was asked"):
            till.authorize()

        assert till.payment.status is PaymentStatus.UNKNOWN
        assert till.told == [PaymentBecameUnknown]

    def test_unknown_then_found_is_authorized_without_asking_twice(self, till: Till) -> None:
        till.gateway.script.append(Behaviour.LOSE_ANSWER)
        with pytest.raises(OutcomeUnknown):
            till.authorize()

        assert till.authorize() == "authorized"

        assert [call for call, _ in till.gateway.calls] == ["authorize", "find"]
        assert till.gateway.reserved == {"auth_1": AMOUNT}
        assert till.told == [PaymentBecameUnknown, PaymentAuthorized]

    def test_unknown_then_never_arrived_is_asked_for_again_under_the_same_key(self, till: Till) -> None:
        till.gateway.script.append(Behaviour.LOSE_REQUEST)
        with pytest.raises(OutcomeUnknown):
            till.authorize()

        assert till.authorize() == "authorized"

        assert till.gateway.calls == [
            ("authorize", AUTHORIZE_KEY),
            ("find", AUTHORIZE_KEY),
            ("authorize", AUTHORIZE_KEY),
        ]
        assert till.gateway.reserved == {"auth_1": AMOUNT}

    def test_is_asked_for_again_under_the_first_key_even_if_the_caller_brings_another(self, till: Till) -> None:
        till.gateway.script.append(Behaviour.LOSE_ANSWER)
        with pytest.raises(OutcomeUnknown):
            till.authorize(key="first")

        assert till.authorize(key="second") == "authorized"

        assert till.gateway.calls == [("authorize", "first"), ("find", "first")]
        assert till.gateway.reserved == {"auth_1": AMOUNT}

    def test_by_a_worker_that_was_killed_while_asking_is_looked_up_first(self, till: Till) -> None:
        till.has(an_attempted_payment(order_id=till.order_id))
        till.gateway.authorize(key=AUTHORIZE_KEY, amount=AMOUNT, token="tok_any", reference="killed")
        till.gateway.calls.clear()

        assert till.authorize() == "authorized"

        assert till.gateway.calls == [("find", AUTHORIZE_KEY)]

    def test_of_a_provider_that_cannot_be_reached_leaves_the_payment_open_for_the_next_attempt(
        self, till: Till
    ) -> None:
        till.gateway.script.append(Behaviour.UNREACHABLE)

        with pytest.raises(ExternalAPIError, match="does not answer as it should"):
            till.authorize()
        assert till.payment.status is PaymentStatus.PENDING

        assert till.authorize() == "authorized"

    def test_is_refused_once_given_up_without_asking(self, till: Till) -> None:
        till.has(an_unknown_payment(order_id=till.order_id))
        till.give_up()

        with pytest.raises(PaymentGivenUp, match="its order was cancelled"):
            till.authorize()

        assert till.gateway.calls == []

    def test_is_refused_when_given_up_while_the_provider_was_asked_but_knows_of_the_money(self, till: Till) -> None:
        till.gateway.script.append(Behaviour.LOSE_ANSWER)
        with pytest.raises(OutcomeUnknown):
            till.authorize()
        till.gateway.when_called = till.give_up

        with pytest.raises(PaymentGivenUp):
            till.authorize()

        assert till.payment.status is PaymentStatus.AUTHORIZED

    def test_that_is_approved_after_it_was_taken_to_be_lost_is_given_back_all_the_same(self, till: Till) -> None:
        def be_slow_while_the_order_is_cancelled() -> None:
            till.gateway.when_called = lambda: None
            till.clock.move_on(REQUEST_LIFETIME)
            assert till.void() == "settled"

        till.gateway.when_called = be_slow_while_the_order_is_cancelled
        with pytest.raises(PaymentGivenUp):
            till.authorize()

        assert till.begin_voiding.begun == {till.payment.id: {"order_id": str(till.order_id)}}
        till.void()
        assert till.gateway.reserved == {}

    def test_notes_the_time_of_each_attempt(self, till: Till) -> None:
        till.gateway.script.extend([Behaviour.LOSE_REQUEST, Behaviour.LOSE_REQUEST])
        for _ in range(2):
            with pytest.raises(OutcomeUnknown):
                till.authorize()
            till.clock.move_on(timedelta(seconds=20))

        (operation,) = till.payment.operations.values()
        assert operation.attempted_at == till.clock() - timedelta(seconds=20)

    def test_that_waited_too_long_is_not_sent_but_attempted_again(self, till: Till) -> None:
        till.has(an_unknown_payment(order_id=till.order_id))
        till.gateway.when_called = lambda: till.clock.move_on(LEAVES_WITHIN)
        with pytest.raises(RequestOutdated):
            till.authorize()
        assert [call for call, _ in till.gateway.calls] == ["find"]

        till.gateway.when_called = lambda: None
        assert till.authorize() == "authorized"

    def test_by_a_method_that_nobody_serves_is_refused(self, till: Till) -> None:
        with pytest.raises(UnknownPaymentMethod, match=r"This payment method is not accepted here\.") as refusal:
            till.authorize(method="cash")

        assert refusal.value.details == {"method": "cash"}


class TestVoidPayment:
    def test_of_an_order_without_payment_is_settled_at_once(self, till: Till) -> None:
        assert till.void() == "settled"

        assert till.gateway.calls == []
        assert len(till.payments) == 0

    @pytest.mark.parametrize("build", [a_declined_payment, a_voided_payment])
    def test_of_what_is_over_is_settled_at_once(self, till: Till, build: BuildPayment) -> None:
        till.has(build(order_id=till.order_id))

        assert till.void() == "settled"

        assert till.gateway.calls == []

    def test_gives_back_what_is_authorized(self, till: Till) -> None:
        till.authorize()

        assert till.void() == "settled"

        assert till.gateway.reserved == {}
        assert till.payment.status is PaymentStatus.VOIDED
        assert till.told == [PaymentAuthorized, PaymentVoided]

    def test_twice_asks_the_provider_once(self, till: Till) -> None:
        till.authorize()

        assert till.void() == till.void() == "settled"

        assert till.gateway.calls == [("authorize", AUTHORIZE_KEY), ("void", VOID_KEY)]
        assert till.told.count(PaymentVoided) == 1

    def test_is_tried_again_under_the_first_key_even_if_another_process_does(self, till: Till) -> None:
        till.authorize()
        till.gateway.script.append(Behaviour.LOSE_ANSWER)
        with pytest.raises(OutcomeUnknown):
            till.void(key="first")

        assert till.void(key="second") == "settled"

        assert till.gateway.calls[1:] == [("void", "first"), ("void", "first")]
        assert till.payment.status is PaymentStatus.VOIDED

    def test_keeps_the_money_on_the_books_until_the_provider_has_given_it_back(self, till: Till) -> None:
        till.authorize()
        till.gateway.script.append(Behaviour.UNREACHABLE)

        with pytest.raises(ExternalAPIError):
            till.void()

        assert till.payment.status is PaymentStatus.AUTHORIZED
        assert till.void() == "settled"

    @pytest.mark.parametrize("build", [an_attempted_payment, an_unknown_payment])
    def test_waits_while_the_request_may_still_be_under_way(self, till: Till, build: BuildPayment) -> None:
        till.has(build(order_id=till.order_id))
        till.clock.move_on(REQUEST_LIFETIME - timedelta(seconds=1))

        assert till.void() == "pending"

        assert not till.payment.is_settled
        assert till.payment.is_given_up

    def test_takes_it_that_the_request_never_arrived_once_it_cannot_be_under_way(self, till: Till) -> None:
        till.has(an_unknown_payment(order_id=till.order_id))
        till.clock.move_on(REQUEST_LIFETIME)

        assert till.void() == "settled"

        assert (till.payment.status, till.payment.failure_code) == (PaymentStatus.FAILED, NEVER_ARRIVED)
        assert till.gateway.calls == [("find", AUTHORIZE_KEY)]

    def test_of_an_unknown_payment_that_is_found_authorized_gives_it_back(self, till: Till) -> None:
        till.gateway.script.append(Behaviour.LOSE_ANSWER)
        with pytest.raises(OutcomeUnknown):
            till.authorize()

        assert till.void() == "settled"

        assert till.gateway.reserved == {}
        assert till.payment.status is PaymentStatus.VOIDED
        assert till.told == [PaymentBecameUnknown, PaymentAuthorized, PaymentVoided]

    def test_of_an_unknown_payment_that_is_found_declined_has_nothing_to_give_back(self, till: Till) -> None:
        till.has(an_unknown_payment(order_id=till.order_id))
        till.gateway.decide(AUTHORIZE_KEY, an_outcome(status=OutcomeStatus.DECLINED, failure_code="card_declined"))

        assert till.void() == "settled"

        assert till.payment.status is PaymentStatus.FAILED
        assert [call for call, _ in till.gateway.calls] == ["find"]

    def test_waits_while_the_provider_waits_for_the_customer(self, till: Till) -> None:
        till.gateway.script.append(Behaviour.ASK_CUSTOMER)
        till.authorize()
        till.clock.move_on(REQUEST_LIFETIME * 10)

        assert till.void() == "pending"
        till.gateway.decide(AUTHORIZE_KEY, an_outcome())
        assert till.void() == "settled"

        assert till.payment.status is PaymentStatus.VOIDED

    def test_lets_no_later_authorization_through(self, till: Till) -> None:
        till.has(an_unknown_payment(order_id=till.order_id))
        till.void()

        with pytest.raises(PaymentGivenUp):
            till.authorize()

        assert [call for call, _ in till.gateway.calls] == ["find"]


class TestRefusePayment:
    def test_of_an_order_without_payment_leaves_a_mark_that_no_late_worker_passes(self, till: Till) -> None:
        assert till.refuse() == "settled"
        with pytest.raises(PaymentGivenUp):
            till.authorize()

        assert till.gateway.calls == []
        assert till.payment.is_given_up

    def test_gives_back_what_is_authorized(self, till: Till) -> None:
        till.authorize()

        assert till.refuse() == "settled"
        assert till.gateway.reserved == {}

    def test_waits_while_the_request_may_still_be_under_way(self, till: Till) -> None:
        till.has(an_attempted_payment(order_id=till.order_id))

        assert till.refuse() == "pending"


class TestReturnMoney:
    def test_of_an_order_without_payment_has_nothing_to_do(self, till: Till) -> None:
        till.return_money()

        assert till.begin_voiding.begun == {}

    @pytest.mark.parametrize("build", [a_declined_payment, a_voided_payment])
    def test_of_a_payment_that_is_over_has_nothing_to_do(self, till: Till, build: BuildPayment) -> None:
        till.has(build(order_id=till.order_id))

        till.return_money()

        assert till.begin_voiding.begun == {}

    @pytest.mark.parametrize("build", [an_attempted_payment, an_unknown_payment, an_authorized_payment])
    def test_of_a_payment_that_took_money_or_may_yet_begins_to_void_it(self, till: Till, build: BuildPayment) -> None:
        till.has(build(order_id=till.order_id))

        till.return_money()
        till.return_money()

        assert till.begin_voiding.begun == {till.order_id: {"order_id": str(till.order_id)}}
        assert till.gateway.calls == []


class TestResolvePayment:
    def lost(self, till: Till, behaviour: Behaviour) -> None:
        """Have the provider asked without an answer."""
        till.gateway.script.append(behaviour)
        with pytest.raises(OutcomeUnknown):
            till.authorize()

    def test_of_what_was_carried_out_learns_of_the_money(self, till: Till) -> None:
        self.lost(till, Behaviour.LOSE_ANSWER)

        assert till.resolve() is PaymentStatus.AUTHORIZED

        assert till.gateway.calls == [("authorize", AUTHORIZE_KEY), ("find", AUTHORIZE_KEY)]
        assert till.told == [PaymentBecameUnknown, PaymentAuthorized]
        assert till.begin_voiding.begun == {}

    def test_of_what_was_declined_learns_why(self, till: Till) -> None:
        self.lost(till, Behaviour.LOSE_REQUEST)
        till.gateway.decide(AUTHORIZE_KEY, an_outcome(status=OutcomeStatus.DECLINED, failure_code="card_declined"))

        assert till.resolve() is PaymentStatus.FAILED
        assert till.payment.failure_code == "card_declined"

    def test_of_what_the_provider_still_waits_for_changes_nothing(self, till: Till) -> None:
        self.lost(till, Behaviour.LOSE_REQUEST)
        till.gateway.decide(AUTHORIZE_KEY, an_outcome(status=OutcomeStatus.PENDING))

        assert till.resolve() is PaymentStatus.UNKNOWN

    def test_of_what_never_arrived_is_left_to_the_checkout_however_old(self, till: Till) -> None:
        self.lost(till, Behaviour.LOSE_REQUEST)
        till.clock.move_on(REQUEST_LIFETIME * 10)

        assert till.resolve() is PaymentStatus.UNKNOWN

        assert till.authorize() == "authorized"
        assert till.gateway.calls[-1] == ("authorize", AUTHORIZE_KEY)

    def test_of_what_never_arrived_and_nobody_wants_is_lost_once_it_cannot_be_under_way(self, till: Till) -> None:
        self.lost(till, Behaviour.LOSE_REQUEST)
        till.give_up()

        till.clock.move_on(REQUEST_LIFETIME - timedelta(seconds=1))
        assert till.resolve() is PaymentStatus.UNKNOWN
        till.clock.move_on(timedelta(seconds=1))
        assert till.resolve() is PaymentStatus.FAILED
        assert till.payment.failure_code == NEVER_ARRIVED

    def test_of_money_that_nobody_wants_begins_to_give_it_back(self, till: Till) -> None:
        self.lost(till, Behaviour.LOSE_ANSWER)
        till.give_up()

        assert till.resolve() is PaymentStatus.AUTHORIZED
        assert till.begin_voiding.begun == {till.payment.id: {"order_id": str(till.order_id)}}

    @pytest.mark.parametrize("build", [an_authorized_payment, a_declined_payment, a_voided_payment])
    def test_of_what_is_settled_asks_nobody(self, till: Till, build: BuildPayment) -> None:
        payment = build(order_id=till.order_id)
        till.has(payment)

        assert till.resolve() is payment.status
        assert (till.gateway.calls, till.record_change.changes) == ([], [])

    def test_is_audited_with_what_the_provider_said(self, till: Till) -> None:
        self.lost(till, Behaviour.LOSE_ANSWER)
        till.resolve()

        (change,) = till.record_change.changes
        assert (change.action, change.subject_id) == ("payments.resolve_payment", str(till.payment.id))
        assert (change.before, change.after) == (
            {"status": "unknown"},
            {"status": "authorized", "answer": "authorized"},
        )
        assert change.reason == "the customer called"

    def test_says_so_when_the_provider_was_never_told(self, till: Till) -> None:
        self.lost(till, Behaviour.LOSE_REQUEST)
        till.resolve()

        assert till.record_change.changes[0].after == {"status": "unknown", "answer": "not_found"}

    def test_does_not_undo_what_was_learned_while_it_asked(self, till: Till) -> None:
        self.lost(till, Behaviour.LOSE_REQUEST)

        def approve() -> None:
            payment = till.payment
            payment.settle_authorization(an_outcome(), at=till.clock())
            till.payments.save(payment)

        till.give_up()
        till.clock.move_on(REQUEST_LIFETIME)
        till.gateway.when_called = approve

        assert till.resolve() is PaymentStatus.AUTHORIZED

    def test_of_an_unknown_payment_is_refused(self, till: Till) -> None:
        with pytest.raises(PaymentNotFound):
            till.resolve_payment(payment_id=PaymentId(till.order_id), reason="")
