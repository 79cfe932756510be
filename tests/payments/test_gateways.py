"""The simulator's gateway against the simulator itself, a process that can be stopped."""

import dataclasses
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import pytest

from contexts.payments.domain import REQUEST_LIFETIME, Outcome, OutcomeStatus, UnknownPaymentMethod
from contexts.payments.gateways import SIMULATOR, ConfiguredGateways, ProviderRefusedRequest, SimulatorGateway
from contexts.payments.ports import PaymentGateway
from shared.domain.errors import ExternalAPIError, OutcomeUnknown
from shared.domain.money import Money
from shared.persistence.unit_of_work import atomic
from shared.resilience.errors import CircuitOpen, NotSent
from shared.resilience.guard import CalledInsideTransaction
from shared.resilience.http import client_for
from shared.resilience.policy import Breaker, Timeout
from shared.resilience.vendor import Vendor
from tests.payments.simulator.running import SECRET, Simulator, unique, until

AMOUNT = Money(1_999, "EUR")
#: As the real one, but for a breaker that does not mind the failures of a test.
PATIENT = dataclasses.replace(SIMULATOR, name="simulator_of_a_test", pause=0.01, breaker=Breaker(failures=1_000_000))
UNANSWERED = 0.3  # seconds


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    """Run one simulator for the tests that leave it as it was."""
    simulator = Simulator(ledger=tmp_path_factory.mktemp("gateway") / "ledger.db")
    yield simulator
    simulator.stop()


@pytest.fixture
def mortal(tmp_path: Path) -> Iterator[Simulator]:
    """Run a simulator that a test may stop and start."""
    simulator = Simulator(ledger=tmp_path / "ledger.db")
    yield simulator
    simulator.stop()


@pytest.fixture
def gateway(simulator: Simulator) -> PaymentGateway:
    """Return the gateway to the shared simulator."""
    return gateway_to(simulator)


def gateway_to(simulator: Simulator, *, vendor: Vendor = PATIENT, secret: str = SECRET) -> SimulatorGateway:
    """Return a gateway to the simulator, with the client that the policy asks for."""
    url, headers = f"http://127.0.0.1:{simulator.port}", {"Authorization": f"Bearer {secret}"}
    return SimulatorGateway(vendor=vendor, client=client_for(vendor, base_url=url, headers=headers))


def a_vendor(**policy: Any) -> Vendor:
    """Return a vendor with a breaker and a budget of its own."""
    return dataclasses.replace(PATIENT, name=unique("v").replace("-", "_"), **policy)


def authorize(gateway: PaymentGateway, *, token: str = "tok_approved", key: str = "", reference: str = "") -> Outcome:
    """Ask for an authorisation under the key, or one of its own."""
    return gateway.authorize(key=key or unique(), amount=AMOUNT, token=token, reference=reference or unique("order"))


def charges(simulator: Simulator, reference: str) -> list[int]:
    """Return what the provider's own books say was reserved for the reference."""
    return [entry["amount"] for entry in simulator.entries(reference) if entry["kind"] == "authorise"]


class TestAuthorize:
    def test_reserves_the_amount(self, simulator: Simulator, gateway: PaymentGateway) -> None:
        reference = unique("order")
        outcome = authorize(gateway, reference=reference)
        assert outcome == Outcome(status=OutcomeStatus.AUTHORIZED, reference=ANY)
        found = simulator.authorization(outcome.reference)
        assert (found["amount"], found["currency"], found["reference"]) == (AMOUNT.minor, "EUR", reference)

    def test_reserves_it_once_per_key(self, simulator: Simulator, gateway: PaymentGateway) -> None:
        key, reference = unique(), unique("order")
        first, second = (authorize(gateway, key=key, reference=reference) for _ in range(2))
        assert first == second
        assert charges(simulator, reference) == [AMOUNT.minor]

    @pytest.mark.parametrize(
        ("token", "code"), [("tok_declined", "card_declined"), ("tok_insufficient_funds", "insufficient_funds")]
    )
    def test_tells_of_a_decline(self, gateway: PaymentGateway, token: str, code: str) -> None:
        assert authorize(gateway, token=token) == Outcome(
            status=OutcomeStatus.DECLINED, reference=ANY, failure_code=code
        )

    def test_takes_an_invalid_token_for_a_decline(self, gateway: PaymentGateway) -> None:
        expected = Outcome(status=OutcomeStatus.DECLINED, reference="", failure_code="invalid_token")
        assert authorize(gateway, token="tok_made_up") == expected

    def test_tells_that_the_customer_is_asked(self, gateway: PaymentGateway) -> None:
        assert authorize(gateway, token="tok_requires_action").status is OutcomeStatus.PENDING

    def test_is_unknown_after_an_error_that_charged_nothing(
        self, simulator: Simulator, gateway: PaymentGateway
    ) -> None:
        key, reference = unique(), unique("order")
        with pytest.raises(OutcomeUnknown):
            authorize(gateway, token="tok_error_before_charge", key=key, reference=reference)
        assert gateway.find(key=key) is None
        assert charges(simulator, reference) == []
        again = authorize(gateway, token="tok_error_before_charge", key=key, reference=reference)
        assert again.status is OutcomeStatus.AUTHORIZED

    def test_is_unknown_after_an_error_that_charged(self, simulator: Simulator, gateway: PaymentGateway) -> None:
        key, reference = unique(), unique("order")
        with pytest.raises(OutcomeUnknown, match="status=500"):
            authorize(gateway, token="tok_error_after_charge", key=key, reference=reference)
        assert charges(simulator, reference) == [AMOUNT.minor]
        assert gateway.find(key=key) == Outcome(status=OutcomeStatus.AUTHORIZED, reference=ANY)

    def test_is_unknown_when_no_answer_came_in_time(self, simulator: Simulator) -> None:
        hasty = gateway_to(simulator, vendor=dataclasses.replace(PATIENT, timeout=Timeout(answer=UNANSWERED)))
        key, reference = unique(), unique("order")
        begun = time.monotonic()
        with pytest.raises(OutcomeUnknown, match="ReadTimeout"):
            authorize(hasty, token="tok_timeout_after_charge", key=key, reference=reference)
        assert time.monotonic() - begun < 2 * UNANSWERED + 1  # once, not three times
        assert charges(simulator, reference) == [AMOUNT.minor]
        assert hasty.find(key=key) == Outcome(status=OutcomeStatus.AUTHORIZED, reference=ANY)

    def test_is_unknown_when_the_connection_broke_after_the_request(
        self, simulator: Simulator, gateway: PaymentGateway
    ) -> None:
        reference = unique("order")
        with simulator.fault("drop_connection"), pytest.raises(OutcomeUnknown):
            authorize(gateway, reference=reference)
        assert charges(simulator, reference) == [AMOUNT.minor]

    def test_is_refused_when_our_secret_is_wrong(self, simulator: Simulator) -> None:
        with pytest.raises(ProviderRefusedRequest, match="code=unauthorized"):
            authorize(gateway_to(simulator, secret="wrong"))

    @pytest.mark.django_db
    def test_is_refused_inside_a_transaction(self, simulator: Simulator, gateway: PaymentGateway) -> None:
        reference = unique("order")
        with pytest.raises(CalledInsideTransaction), atomic():
            authorize(gateway, reference=reference)
        assert charges(simulator, reference) == []


class TestFind:
    def test_returns_what_came_of_the_key(self, gateway: PaymentGateway) -> None:
        key = unique()
        assert gateway.find(key=key) is None
        outcome = authorize(gateway, key=key)
        assert gateway.find(key=key) == outcome

    def test_returns_a_decline(self, gateway: PaymentGateway) -> None:
        key = unique()
        outcome = authorize(gateway, token="tok_declined", key=key)
        assert gateway.find(key=key) == outcome

    def test_is_unknown_while_the_request_is_being_decided(self, simulator: Simulator, gateway: PaymentGateway) -> None:
        hasty = gateway_to(simulator, vendor=dataclasses.replace(PATIENT, timeout=Timeout(answer=0.1)))
        key = unique()
        with simulator.fault("latency", ms=800):
            with pytest.raises(OutcomeUnknown):
                authorize(hasty, key=key)
            with pytest.raises(OutcomeUnknown, match="status=409"):
                gateway.find(key=key)
            until(lambda: simulator.operation(key).status_code == 200)
        assert gateway.find(key=key) == Outcome(status=OutcomeStatus.AUTHORIZED, reference=ANY)

    @pytest.mark.django_db
    def test_is_refused_inside_a_transaction(self, gateway: PaymentGateway) -> None:
        with pytest.raises(CalledInsideTransaction), atomic():
            gateway.find(key=unique())


class TestVoid:
    def test_gives_the_reservation_up_and_twice_is_harmless(
        self, simulator: Simulator, gateway: PaymentGateway
    ) -> None:
        key = unique()
        outcome = authorize(gateway, key=key)
        void_key = unique()
        for each in (void_key, void_key, unique()):
            gateway.void(key=each, reference=outcome.reference)
        assert simulator.authorization(outcome.reference)["voided"] is True
        found = gateway.find(key=key)
        assert found
        assert found.status is OutcomeStatus.VOIDED

    def test_is_refused_for_what_the_provider_does_not_know(self, gateway: PaymentGateway) -> None:
        with pytest.raises(ProviderRefusedRequest, match="authorization_not_found"):
            gateway.void(key=unique(), reference="auth_of_somebody_else")

    @pytest.mark.django_db
    def test_is_refused_inside_a_transaction(self, gateway: PaymentGateway) -> None:
        with pytest.raises(CalledInsideTransaction), atomic():
            gateway.void(key=unique(), reference="auth_x")


class Requests:
    """Counts what is sent, or tried to be sent, over a gateway's client."""

    def __init__(self, gateway: SimulatorGateway, *, at_the_second: Callable[[], None] = lambda: None) -> None:
        self._count = 0
        self._at_the_second = at_the_second
        gateway._client.event_hooks = {"request": [self._note], "response": []}

    def __len__(self) -> int:
        return self._count

    def _note(self, _: object) -> None:
        self._count += 1
        if self._count == 2:
            self._at_the_second()


class TestUnreachableProvider:
    def test_is_called_again_and_then_known_not_to_have_been_asked(self, mortal: Simulator) -> None:
        vendor = a_vendor()
        gateway = gateway_to(mortal, vendor=vendor)
        sent = Requests(gateway)
        mortal.stop()
        with pytest.raises(NotSent, match="ConnectError") as raised:
            authorize(gateway)
        assert isinstance(raised.value, ExternalAPIError)
        assert not isinstance(raised.value, OutcomeUnknown)
        assert len(sent) == vendor.attempts == 3

    def test_is_reached_by_a_later_attempt_of_the_same_call(self, mortal: Simulator) -> None:
        gateway, reference = gateway_to(mortal, vendor=a_vendor(within=20.0)), unique("order")
        mortal.stop()
        sent = Requests(gateway, at_the_second=mortal.start)
        assert authorize(gateway, reference=reference).status is OutcomeStatus.AUTHORIZED
        assert len(sent) == 2
        assert charges(mortal, reference) == [AMOUNT.minor]


class TestBreaker:
    def test_opens_while_the_provider_fails_and_closes_when_it_answers_again(self, mortal: Simulator) -> None:
        breaker = Breaker(failures=4, rest=0.5, window=3600.0)
        vendor = a_vendor(attempts=1, breaker=breaker)
        gateway, reference = gateway_to(mortal, vendor=vendor), unique("order")
        sent = Requests(gateway)
        with mortal.fault("error_before", count=4):
            for _ in range(4):
                with pytest.raises(OutcomeUnknown):
                    authorize(gateway, reference=reference)
        with pytest.raises(CircuitOpen) as refusal:
            authorize(gateway, reference=reference)
        assert isinstance(refusal.value, ExternalAPIError)
        assert not isinstance(refusal.value, OutcomeUnknown)
        assert refusal.value.details == {"vendor": vendor.name, "retry_after": ANY}
        assert len(sent) == 4
        assert charges(mortal, reference) == []

        def try_again() -> Outcome | None:
            try:
                return authorize(gateway, reference=reference)
            except CircuitOpen:
                return None

        assert until(try_again)
        assert charges(mortal, reference) == [AMOUNT.minor]
        for _ in range(5):
            assert authorize(gateway).status is OutcomeStatus.AUTHORIZED
        assert len(sent) == 4 + 1 + 5

    def test_takes_declines_refusals_and_unknown_keys_for_answers(self, simulator: Simulator) -> None:
        breaker = Breaker(failures=1, share=0.0, window=3600.0, rest=3600.0)
        vendor = a_vendor(breaker=breaker)
        gateway = gateway_to(simulator, vendor=vendor)
        authorize(gateway, token="tok_declined")
        authorize(gateway, token="tok_made_up")
        gateway.find(key=unique())
        with pytest.raises(ProviderRefusedRequest):
            gateway.void(key=unique(), reference="auth_x")
        assert authorize(gateway).status is OutcomeStatus.AUTHORIZED


class TestPolicy:
    def test_lets_a_request_be_settled_and_repeated_within_its_lifetime(self) -> None:
        assert 2 * SIMULATOR.longest < REQUEST_LIFETIME.total_seconds()


class TestConfiguredGateways:
    def test_serve_the_methods_that_the_settings_name(self) -> None:
        gateways = ConfiguredGateways()
        assert gateways.accepts("simulator")
        assert isinstance(gateways.serving("simulator"), SimulatorGateway)
        assert gateways.serving("simulator") is gateways.serving("simulator")

    def test_refuse_others(self) -> None:
        gateways = ConfiguredGateways()
        assert not gateways.accepts("barter")
        with pytest.raises(UnknownPaymentMethod):
            gateways.serving("barter")
