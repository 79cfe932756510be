"""The rules of the money: what an authorization allows, and what is written when it changes."""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from contexts.payments.simulator.moments import iso
from contexts.payments.simulator.refusals import Refusal, StateRefusal


class AuthorizationStatus(StrEnum):
    """Where an authorization stands."""

    AUTHORIZED = "authorized"
    DECLINED = "declined"
    REQUIRES_ACTION = "requires_action"
    VOIDED = "voided"


class Kind(StrEnum):
    """What an operation does, and what a ledger entry records."""

    AUTHORISE = "authorise"
    CAPTURE = "capture"
    REFUND = "refund"
    VOID = "void"


class AuthorizationNotFound(Refusal):
    """No authorization has this id."""

    status, code = 404, "authorization_not_found"


class CaptureNotFound(Refusal):
    """The authorization has no capture with this id."""

    status, code = 404, "capture_not_found"


class AuthorizationNotAuthorized(StateRefusal):
    """The authorization was not approved, so no money can move on it."""

    code = "authorization_not_authorized"


class AuthorizationAlreadyVoided(StateRefusal):
    """The authorization was voided, so no money can move on it."""

    code = "authorization_voided"


class AuthorizationAlreadyCaptured(StateRefusal):
    """Money was captured, so the authorization cannot be voided; refund it instead."""

    code = "authorization_captured"


class CaptureExceedsAuthorization(StateRefusal):
    """The captures would exceed the authorized amount."""

    code = "capture_exceeds_authorization"


class RefundExceedsCapture(StateRefusal):
    """The refunds would exceed the captured amount."""

    code = "refund_exceeds_capture"


class NotAwaitingAction(StateRefusal):
    """The authorization does not wait for the payer any more."""

    code = "not_awaiting_action"


@dataclass(frozen=True, slots=True, kw_only=True)
class Authorization:
    """Money a payer's bank has promised, asked about, or refused."""

    id: str
    key: str
    token: str
    amount: int
    currency: str
    reference: str
    status: AuthorizationStatus
    captured: int = 0
    refunded: int = 0
    failure_code: str | None = None
    due_at: int | None = None
    created_at: int

    @property
    def voided(self) -> bool:
        """Tell whether the promise was given back."""
        return self.status is AuthorizationStatus.VOIDED

    def capture(self, *, amount: int) -> "Authorization":
        """Take some of the promised money."""
        self._require_authorized()
        if self.captured + amount > self.amount:
            raise CaptureExceedsAuthorization
        return replace(self, captured=self.captured + amount)

    def refund(self, *, amount: int) -> "Authorization":
        """Give some of the captured money back."""
        self._require_authorized()
        if self.refunded + amount > self.captured:
            raise RefundExceedsCapture
        return replace(self, refunded=self.refunded + amount)

    def void(self) -> "Authorization":
        """Give the promise back; voiding twice is harmless."""
        if self.status is AuthorizationStatus.DECLINED:
            raise AuthorizationNotAuthorized
        if self.captured:
            raise AuthorizationAlreadyCaptured
        return replace(self, status=AuthorizationStatus.VOIDED, due_at=None)

    def approve(self) -> "Authorization":
        """Record that the payer confirmed; approving an approved one is harmless."""
        if self.status is AuthorizationStatus.AUTHORIZED:
            return self
        self._require_awaiting_action()
        return replace(self, status=AuthorizationStatus.AUTHORIZED, due_at=None)

    def decline(self, *, failure_code: str) -> "Authorization":
        """Record that the payer did not confirm; declining a declined one is harmless."""
        if self.status is AuthorizationStatus.DECLINED:
            return self
        self._require_awaiting_action()
        return replace(self, status=AuthorizationStatus.DECLINED, failure_code=failure_code, due_at=None)

    def as_json(self) -> dict[str, Any]:
        """Return the authorization as clients see it."""
        return {
            "id": self.id,
            "status": self.status,
            "amount": self.amount,
            "currency": self.currency,
            "reference": self.reference,
            "captured": self.captured,
            "refunded": self.refunded,
            "voided": self.voided,
            "failure_code": self.failure_code,
            "created_at": iso(at=self.created_at),
        }

    def _require_authorized(self) -> None:
        if self.voided:
            raise AuthorizationAlreadyVoided
        if self.status is not AuthorizationStatus.AUTHORIZED:
            raise AuthorizationNotAuthorized

    def _require_awaiting_action(self) -> None:
        if self.status is not AuthorizationStatus.REQUIRES_ACTION:
            raise NotAwaitingAction


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of the append-only ledger: money promised, taken, given back or released."""

    kind: Kind
    resource_id: str
    authorization_id: str
    amount: int
    currency: str
    reference: str
    key: str
    created_at: int
    capture_id: str | None = None
    sequence: int = 0

    def as_json(self) -> dict[str, Any]:
        """Return the entry as reconciliation reads it."""
        return {
            "sequence": self.sequence,
            "kind": self.kind,
            "resource_id": self.resource_id,
            "authorization_id": self.authorization_id,
            "capture_id": self.capture_id,
            "amount": self.amount,
            "currency": self.currency,
            "reference": self.reference,
            "key": self.key,
            "created_at": iso(at=self.created_at),
        }


def movement_as_json(*, entry: Entry, authorization: Authorization) -> dict[str, Any]:
    """Return a capture or refund as clients see it, with its authorization as it stands."""
    return {
        "id": entry.resource_id,
        "status": "succeeded",
        "authorization_id": entry.authorization_id,
        "capture_id": entry.capture_id,
        "amount": entry.amount,
        "currency": entry.currency,
        "reference": entry.reference,
        "created_at": iso(at=entry.created_at),
        "authorization": authorization.as_json(),
    }
