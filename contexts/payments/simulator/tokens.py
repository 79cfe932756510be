"""The payment tokens a client may send, and how the provider behaves for each."""

from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from contexts.payments.simulator.domain import AuthorizationStatus
from contexts.payments.simulator.refusals import Refusal


class InvalidToken(Refusal):
    """No payment method has this token; nothing was written."""

    status, code = 400, "invalid_token"


class FirstTime(StrEnum):
    """What goes wrong the first time a key is sent, and never again for that key."""

    ERROR_BEFORE_CHARGE = "error_before_charge"
    ERROR_AFTER_CHARGE = "error_after_charge"
    TIMEOUT_AFTER_CHARGE = "timeout_after_charge"


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """How one operation is decided, answered and announced."""

    status: AuthorizationStatus = AuthorizationStatus.AUTHORIZED
    failure_code: str | None = None
    approved_after_ms: int | None = None
    answered_after_ms: int = 0
    first_time: FirstTime | None = None
    webhook_copies: int = 1
    webhook_first: bool = False

    def of_later_operations(self) -> "Behaviour":
        """Return what is left of the behaviour for captures, refunds and voids: its webhooks."""
        return Behaviour(webhook_copies=self.webhook_copies, webhook_first=self.webhook_first)


SLOW_MS = 3_000
TIMEOUT_MS = 30_000
ACTION_MS = 2_000

BEHAVIOURS = MappingProxyType(
    {
        "tok_approved": Behaviour(),
        "tok_declined": Behaviour(status=AuthorizationStatus.DECLINED, failure_code="card_declined"),
        "tok_insufficient_funds": Behaviour(status=AuthorizationStatus.DECLINED, failure_code="insufficient_funds"),
        "tok_slow": Behaviour(answered_after_ms=SLOW_MS),
        "tok_timeout_after_charge": Behaviour(first_time=FirstTime.TIMEOUT_AFTER_CHARGE),
        "tok_error_after_charge": Behaviour(first_time=FirstTime.ERROR_AFTER_CHARGE),
        "tok_error_before_charge": Behaviour(first_time=FirstTime.ERROR_BEFORE_CHARGE),
        "tok_duplicate_webhooks": Behaviour(webhook_copies=2),
        "tok_webhook_first": Behaviour(webhook_first=True),
        "tok_requires_action": Behaviour(status=AuthorizationStatus.REQUIRES_ACTION, approved_after_ms=ACTION_MS),
    }
)


def behaviour_of(*, token: str) -> Behaviour:
    """Return how the provider behaves for the token, or raise InvalidToken."""
    try:
        return BEHAVIOURS[token]
    except KeyError:
        raise InvalidToken from None
