"""The payment service providers."""

from collections.abc import Mapping
from functools import cache
from typing import Any

import httpx2
from django.conf import settings

from contexts.payments.domain import Outcome, OutcomeStatus, UnknownPaymentMethod
from contexts.payments.ports import PaymentGateway
from shared.domain.errors import ExternalAPIError, OutcomeUnknown
from shared.domain.money import Money
from shared.resilience.guard import outside_transactions

CONNECT_TIMEOUT = 2.0  # seconds
ANSWER_TIMEOUT = 10.0  # seconds
CONNECTIONS = 32

STATUSES: Mapping[str, OutcomeStatus] = {
    "authorized": OutcomeStatus.AUTHORIZED,
    "declined": OutcomeStatus.DECLINED,
    "requires_action": OutcomeStatus.PENDING,
    "voided": OutcomeStatus.VOIDED,
}


class ProviderRefusedRequest(ExternalAPIError):
    """The payment provider does not understand our request; our set-up or our code is wrong."""


class SimulatorGateway:
    """The PSP simulator over HTTP; its contract is described beside it."""

    def __init__(self, client: httpx2.Client) -> None:
        self._client = client

    @outside_transactions
    def authorize(self, *, key: str, amount: Money, token: str, reference: str) -> Outcome:
        """Reserve the amount, once per key; raise OutcomeUnknown when there is no telling whether it did."""
        answer = self._send(
            "POST",
            "/v1/authorizations",
            key=key,
            json={
                "amount": amount.minor,
                "currency": amount.currency,
                "token": token,
                "reference": reference,
            },
        )
        if answer.status_code == 400 and answer.json().get("code") == "invalid_token":
            return Outcome(status=OutcomeStatus.DECLINED, reference="", failure_code="invalid_token")
        return _outcome_of(_understood(answer))

    @outside_transactions
    def find(self, *, key: str) -> Outcome | None:
        """Return what came of the authorisation that was sent under the key; None when it never arrived."""
        answer = self._send("GET", f"/v1/operations/{key}")
        if answer.status_code == 404:
            return None
        return _outcome_of(_understood(answer)["resource"])

    @outside_transactions
    def void(self, *, key: str, reference: str) -> None:
        """Give the reservation up, once per key; doing it twice is harmless."""
        _understood(self._send("POST", f"/v1/authorizations/{reference}/void", key=key, json={}))

    def _send(
        self, method: str, path: str, *, key: str | None = None, json: dict[str, Any] | None = None
    ) -> httpx2.Response:
        headers = {"Idempotency-Key": key} if key else {}
        try:
            answer = self._client.request(method, path, headers=headers, json=json)
        except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout) as error:
            raise ExternalAPIError(provider="simulator", error=type(error).__name__) from error
        except httpx2.TransportError as error:
            raise OutcomeUnknown(provider="simulator", error=type(error).__name__) from error
        if answer.status_code >= 500 or _is_in_progress(answer):
            raise OutcomeUnknown(provider="simulator", status=answer.status_code)
        return answer


class ConfiguredGateways:
    """The providers that the settings name."""

    def accepts(self, method: str) -> bool:
        """Tell whether a provider serves the method."""
        return method == "simulator" and bool(settings.PSP_SIMULATOR_URL)

    def serving(self, method: str) -> PaymentGateway:
        """Return the provider that serves the method, or raise UnknownPaymentMethod."""
        if not self.accepts(method):
            raise UnknownPaymentMethod(method=method)
        return _simulator(settings.PSP_SIMULATOR_URL, settings.PSP_SIMULATOR_SECRET)


@cache
def _simulator(url: str, secret: str) -> SimulatorGateway:
    return SimulatorGateway(
        httpx2.Client(
            base_url=url,
            headers={"Authorization": f"Bearer {secret}"},
            timeout=httpx2.Timeout(ANSWER_TIMEOUT, connect=CONNECT_TIMEOUT),
            limits=httpx2.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS),
        )
    )


def _is_in_progress(answer: httpx2.Response) -> bool:
    return answer.status_code == 409 and bool(answer.json().get("code") == "operation_in_progress")


def _understood(answer: httpx2.Response) -> dict[str, Any]:
    if answer.is_error:
        raise ProviderRefusedRequest(status=answer.status_code, code=answer.json().get("code"))
    body: dict[str, Any] = answer.json()
    return body


def _outcome_of(authorization: Mapping[str, Any]) -> Outcome:
    status = "voided" if authorization.get("voided") else authorization["status"]
    return Outcome(
        status=STATUSES[status],
        reference=authorization["id"],
        failure_code=authorization.get("failure_code"),
    )
