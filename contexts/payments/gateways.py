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
from shared.persistence.crash_points import crash_point
from shared.resilience.http import client_for, errors_told_apart
from shared.resilience.vendor import Vendor

#: Asking what came of a request and sending it again takes less than REQUEST_LIFETIME, at the very longest.
SIMULATOR = Vendor(name="simulator", at_most=32)

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

    def __init__(self, *, vendor: Vendor, client: httpx2.Client) -> None:
        self._vendor = vendor
        self._client = client

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

    def find(self, *, key: str) -> Outcome | None:
        """Return what came of the authorisation that was sent under the key; None when it never arrived."""
        answer = self._send("GET", f"/v1/operations/{key}")
        if answer.status_code == 404:
            return None
        return _outcome_of(_understood(answer)["resource"])

    def void(self, *, key: str, reference: str) -> None:
        """Give the reservation up, once per key; doing it twice is harmless."""
        _understood(self._send("POST", f"/v1/authorizations/{reference}/void", key=key, json={}))

    def _send(
        self, method: str, path: str, *, key: str | None = None, json: dict[str, Any] | None = None
    ) -> httpx2.Response:
        headers = {"Idempotency-Key": key} if key else {}

        def exchange() -> httpx2.Response:
            crash_point("provider.before_request")
            with errors_told_apart(self._vendor):
                answer = self._client.request(method, path, headers=headers, json=json)
            crash_point("provider.after_answer")
            if answer.status_code >= 500:
                raise OutcomeUnknown(provider=self._vendor.name, status=answer.status_code)
            return answer

        answer = self._vendor.call(exchange)
        if _is_in_progress(answer):
            raise OutcomeUnknown(provider=self._vendor.name, status=answer.status_code)
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
    client = client_for(SIMULATOR, base_url=url, headers={"Authorization": f"Bearer {secret}"})
    return SimulatorGateway(vendor=SIMULATOR, client=client)


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
