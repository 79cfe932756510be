from collections.abc import Callable
from datetime import timedelta

import pytest

from contexts.payments.domain import (
    NEVER_ARRIVED,
    REQUEST_LIFETIME,
    OperationKind,
    OperationStatus,
    OutcomeStatus,
    Payment,
    PaymentDeclined,
    PaymentGivenUp,
    PaymentStatus,
)
from contexts.payments.events import (
    PaymentAuthorized,
    PaymentBecameUnknown,
    PaymentVoided,
)
from contexts.payments.events import PaymentDeclined as PaymentDeclinedEvent
from shared.domain.model import Event
from shared.domain.money import Money
from tests.payments.builders import (
    AUTHORIZE_KEY,
    REFERENCE,
    VOID_KEY,
    a_declined_payment,
    a_voided_payment,
    an_attempted_payment,
    an_authorized_payment,
    an_opened_payment,
    an_outcome,
    an_unknown_payment,
)
from tests.shared.fakes import NOON

LATER = NOON + timedelta(minutes=1)


def told_by(payment: Payment) -> list[Event]:
    """Return what the payment has to tell since the last time."""
    return [recorded.event for recorded in payment.release_events()]


def authorization_of(payment: Payment) -> tuple[OperationStatus, str | None]:
    """Return where the request to reserve the amount stands."""
    operation = payment.operations[OperationKind.AUTHORIZE]
    return operation.status, operation.failure_code


class TestOpen:
    def test_begins_with_nothing_asked_and_nothing_known(self) -> None:
        payment = an_opened_payment(amount=Money(4490, "EUR"))

        assert (payment.status, payment.amount, payment.created_at) == (
            PaymentStatus.PENDING,
            Money(4490, "EUR"),
            NOON,
        )
        assert not payment.is_settled
        assert not payment.has_unanswered_authorization
        assert payment.operations == {}


class TestAttemptAuthorization:
    def test_notes_the_key_before_the_provider_is_asked(self) -> None:
        payment = an_opened_payment()

        payment.attempt_authorization(key=AUTHORIZE_KEY, at=NOON)

        operation = payment.operations[OperationKind.AUTHORIZE]
        assert (operation.key, operation.status, operation.attempted_at) == (
            AUTHORIZE_KEY,
            OperationStatus.INTENDED,
            NOON,
        )
        assert payment.has_unanswered_authorization

    def test_again_keeps_the_first_key_and_notes_the_newer_time(self) -> None:
        payment = an_attempted_payment(key="first", at=NOON)

        payment.attempt_authorization(key="second", at=LATER)

        operation = payment.operations[OperationKind.AUTHORIZE]
        assert (operation.key, operation.attempted_at) == ("first", LATER)
        assert payment.key_of(OperationKind.AUTHORIZE) == "first"

    def test_is_refused_once_given_up(self) -> None:
        payment = an_opened_payment()
        payment.give_up()

        with pytest.raises(PaymentGivenUp, match="not wanted any more; its order was cancelled") as refusal:
            payment.attempt_authorization(key=AUTHORIZE_KEY, at=NOON)

        assert refusal.value.code == "payment_given_up"
        assert refusal.value.details == {"order_id": payment.order_id}
        assert payment.operations == {}


class TestSettleAuthorization:
    @pytest.mark.parametrize("build", [an_attempted_payment, an_unknown_payment])
    def test_as_authorized_notes_the_providers_reference_and_tells_of_it(self, build: Callable[[], Payment]) -> None:
        payment = build()

        payment.settle_authorization(an_outcome(reference="auth_77"), at=LATER)

        assert (payment.status, payment.reference) == (PaymentStatus.AUTHORIZED, "auth_77")
        assert authorization_of(payment) == (OperationStatus.SUCCEEDED, None)
        assert payment.is_settled
        assert told_by(payment) == [
            PaymentAuthorized(
                payment_id=payment.id, order_id=payment.order_id, amount_minor=4490, currency="EUR", occurred_at=LATER
            )
        ]

    @pytest.mark.parametrize("build", [an_attempted_payment, an_unknown_payment])
    def test_as_declined_keeps_why_and_tells_of_it(self, build: Callable[[], Payment]) -> None:
        payment = build()

        payment.settle_authorization(
            an_outcome(status=OutcomeStatus.DECLINED, failure_code="insufficient_funds"), at=LATER
        )

        assert (payment.status, payment.failure_code) == (PaymentStatus.FAILED, "insufficient_funds")
        assert authorization_of(payment) == (OperationStatus.FAILED, "insufficient_funds")
        assert told_by(payment) == [
            PaymentDeclinedEvent(
                payment_id=payment.id,
                order_id=payment.order_id,
                failure_code="insufficient_funds",
                occurred_at=LATER,
            )
        ]

    def test_as_declined_without_a_reason_says_at_least_that(self) -> None:
        payment = an_attempted_payment()

        payment.settle_authorization(an_outcome(status=OutcomeStatus.DECLINED), at=LATER)

        assert payment.failure_code == "declined"

    def test_as_voided_already_has_failed(self) -> None:
        payment = an_attempted_payment()

        payment.settle_authorization(an_outcome(status=OutcomeStatus.VOIDED), at=LATER)

        assert (payment.status, payment.failure_code) == (PaymentStatus.FAILED, "voided")

    def test_as_pending_notes_the_reference_and_leaves_the_rest_open(self) -> None:
        payment = an_attempted_payment()

        payment.settle_authorization(an_outcome(status=OutcomeStatus.PENDING, reference="auth_5"), at=LATER)

        assert (payment.status, payment.reference) == (PaymentStatus.PENDING, "auth_5")
        assert payment.has_unanswered_authorization
        assert told_by(payment) == []

    @pytest.mark.parametrize("status", list(OutcomeStatus))
    @pytest.mark.parametrize("build", [an_authorized_payment, a_declined_payment, a_voided_payment])
    def test_again_changes_nothing(self, build: Callable[[], Payment], status: OutcomeStatus) -> None:
        payment = build()
        before = (payment.status, payment.failure_code, authorization_of(payment))

        payment.settle_authorization(an_outcome(status=status, reference=""), at=LATER)

        assert (payment.status, payment.failure_code, authorization_of(payment)) == before
        assert payment.reference == REFERENCE
        assert told_by(payment) == []


class TestLoseSight:
    def test_says_that_nobody_knows_and_tells_of_it(self) -> None:
        payment = an_attempted_payment()

        payment.lose_sight(at=LATER)

        assert payment.status is PaymentStatus.UNKNOWN
        assert authorization_of(payment) == (OperationStatus.UNKNOWN, None)
        assert not payment.is_settled
        assert payment.has_unanswered_authorization
        assert told_by(payment) == [
            PaymentBecameUnknown(payment_id=payment.id, order_id=payment.order_id, occurred_at=LATER)
        ]

    @pytest.mark.parametrize("build", [an_unknown_payment, an_authorized_payment, a_declined_payment])
    def test_changes_nothing_when_that_is_known_or_more_is(self, build: Callable[[], Payment]) -> None:
        payment = build()
        before = (payment.status, authorization_of(payment))

        payment.lose_sight(at=LATER)

        assert (payment.status, authorization_of(payment)) == before
        assert told_by(payment) == []


class TestMustBeAuthorized:
    @pytest.mark.parametrize("build", [an_attempted_payment, an_unknown_payment, an_authorized_payment])
    def test_lets_pass_what_is_authorized_or_still_open(self, build: Callable[[], Payment]) -> None:
        build().must_be_authorized()

    def test_refuses_what_the_provider_declined_and_says_why(self) -> None:
        payment = a_declined_payment(failure_code="card_declined")

        with pytest.raises(PaymentDeclined, match="ask the customer for another means of payment") as refusal:
            payment.must_be_authorized()

        assert refusal.value.code == "payment_declined"
        assert refusal.value.details == {"failure_code": "card_declined"}

    @pytest.mark.parametrize("build", [an_authorized_payment, a_declined_payment, an_unknown_payment])
    def test_refuses_whatever_is_not_wanted_any_more(self, build: Callable[[], Payment]) -> None:
        payment = build()
        payment.give_up()

        with pytest.raises(PaymentGivenUp):
            payment.must_be_authorized()


class TestNeverArrived:
    @pytest.mark.parametrize("build", [an_attempted_payment, an_unknown_payment])
    def test_fails_the_payment_once_no_request_can_be_under_way(self, build: Callable[[], Payment]) -> None:
        payment = build()

        assert payment.never_arrived(at=NOON + REQUEST_LIFETIME)

        assert (payment.status, payment.failure_code) == (PaymentStatus.FAILED, NEVER_ARRIVED)
        assert authorization_of(payment) == (OperationStatus.FAILED, NEVER_ARRIVED)
        (event,) = told_by(payment)
        assert isinstance(event, PaymentDeclinedEvent)
        assert event.failure_code == NEVER_ARRIVED

    def test_does_not_say_so_while_a_request_may_be_under_way(self) -> None:
        payment = an_attempted_payment(at=NOON)

        assert not payment.never_arrived(at=NOON + REQUEST_LIFETIME - timedelta(microseconds=1))

        assert payment.status is PaymentStatus.PENDING
        assert authorization_of(payment) == (OperationStatus.INTENDED, None)
        assert told_by(payment) == []

    def test_counts_from_the_last_attempt(self) -> None:
        payment = an_attempted_payment(at=NOON)
        payment.attempt_authorization(key=AUTHORIZE_KEY, at=LATER)

        assert not payment.never_arrived(at=NOON + REQUEST_LIFETIME)
        assert payment.never_arrived(at=LATER + REQUEST_LIFETIME)


class TestVoid:
    def test_gives_back_what_was_reserved_and_tells_of_it(self) -> None:
        payment = an_authorized_payment()
        payment.attempt_void(key=VOID_KEY, at=LATER)

        payment.settle_void(at=LATER)

        assert payment.status is PaymentStatus.VOIDED
        assert payment.operations[OperationKind.VOID].status is OperationStatus.SUCCEEDED
        assert authorization_of(payment) == (OperationStatus.SUCCEEDED, None)
        assert told_by(payment) == [PaymentVoided(payment_id=payment.id, order_id=payment.order_id, occurred_at=LATER)]

    def test_attempted_twice_keeps_the_first_key(self) -> None:
        payment = an_authorized_payment()

        payment.attempt_void(key="first", at=NOON)
        payment.attempt_void(key="second", at=LATER)

        assert payment.operations[OperationKind.VOID].key == payment.key_of(OperationKind.VOID) == "first"

    def test_settled_twice_tells_of_it_once(self) -> None:
        payment = a_voided_payment()

        payment.settle_void(at=LATER)

        assert payment.status is PaymentStatus.VOIDED
        assert told_by(payment) == []
