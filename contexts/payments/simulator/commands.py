"""The four things a client can ask for, each turned into what is to be written and answered."""

import secrets
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from contexts.payments.simulator.domain import (
    Authorization,
    AuthorizationNotFound,
    AuthorizationStatus,
    CaptureNotFound,
    Entry,
    Kind,
    RefundExceedsCapture,
    movement_as_json,
)
from contexts.payments.simulator.ledger import Ledger
from contexts.payments.simulator.tokens import Behaviour, behaviour_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What an operation changes, announces and answers."""

    authorization: Authorization
    resource_id: str
    resource: dict[str, Any]
    entry: Entry | None = None
    event_type: str | None = None
    status_code: int = 201


class Command(Protocol):
    """One operation on money, complete but for its key."""

    kind: ClassVar[Kind]

    def authorization_of(self, *, ledger: Ledger) -> Authorization | None:
        """Return the authorization it works on, None if it makes one, or raise AuthorizationNotFound."""

    def behaviour(self, *, ledger: Ledger) -> Behaviour:
        """Return how it is decided, answered and announced."""

    def effect(self, *, ledger: Ledger, key: str, at: int) -> Effect:
        """Return what it does now, or raise a Refusal; writes nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Authorise:
    """Ask the payer's bank to promise the money."""

    kind: ClassVar[Kind] = Kind.AUTHORISE

    amount: int
    currency: str
    token: str
    reference: str

    def authorization_of(self, *, ledger: Ledger) -> Authorization | None:
        """Return None: there is none yet."""

    def behaviour(self, *, ledger: Ledger) -> Behaviour:  # noqa: ARG002 - as Command says
        """Return what the token stands for, or raise InvalidToken."""
        return behaviour_of(token=self.token)

    def effect(self, *, ledger: Ledger, key: str, at: int) -> Effect:  # noqa: ARG002 - as Command says
        """Make the authorization as the token decides."""
        behaviour = behaviour_of(token=self.token)
        delay = behaviour.approved_after_ms
        authorization = Authorization(
            id=f"auth_{secrets.token_hex(12)}",
            key=key,
            token=self.token,
            amount=self.amount,
            currency=self.currency,
            reference=self.reference,
            status=behaviour.status,
            failure_code=behaviour.failure_code,
            due_at=None if delay is None else at + delay,
            created_at=at,
        )
        return decision(authorization=authorization, at=at, status_code=201)


@dataclass(frozen=True, slots=True, kw_only=True)
class OnAuthorization:
    """Work on an authorization that is there."""

    authorization_id: str

    def authorization_of(self, *, ledger: Ledger) -> Authorization:
        """Return it, or raise AuthorizationNotFound."""
        authorization = ledger.authorization(authorization_id=self.authorization_id)
        if authorization is None:
            raise AuthorizationNotFound
        return authorization

    def behaviour(self, *, ledger: Ledger) -> Behaviour:
        """Return what the token of the authorization means for operations after it."""
        return behaviour_of(token=self.authorization_of(ledger=ledger).token).of_later_operations()


@dataclass(frozen=True, slots=True, kw_only=True)
class Capture(OnAuthorization):
    """Take money that was promised."""

    kind: ClassVar[Kind] = Kind.CAPTURE

    amount: int

    def effect(self, *, ledger: Ledger, key: str, at: int) -> Effect:
        """Take the amount."""
        authorization = self.authorization_of(ledger=ledger).capture(amount=self.amount)
        entry = _entry(kind=self.kind, resource="cap", authorization=authorization, amount=self.amount, key=key, at=at)
        return _movement(entry=entry, authorization=authorization)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refund(OnAuthorization):
    """Give back money that was taken."""

    kind: ClassVar[Kind] = Kind.REFUND

    amount: int
    capture_id: str | None = None

    def effect(self, *, ledger: Ledger, key: str, at: int) -> Effect:
        """Give the amount back, from one capture if it is named."""
        authorization = self.authorization_of(ledger=ledger).refund(amount=self.amount)
        if self.capture_id is not None:
            self._require_left(ledger=ledger, capture_id=self.capture_id)
        entry = _entry(
            kind=self.kind,
            resource="ref",
            authorization=authorization,
            amount=self.amount,
            key=key,
            at=at,
            capture_id=self.capture_id,
        )
        return _movement(entry=entry, authorization=authorization)

    def _require_left(self, *, ledger: Ledger, capture_id: str) -> None:
        capture = ledger.entry_of(authorization_id=self.authorization_id, resource_id=capture_id)
        if capture is None or capture.kind is not Kind.CAPTURE:
            raise CaptureNotFound
        refunded = ledger.refunded_of(authorization_id=self.authorization_id, capture_id=capture_id)
        if refunded + self.amount > capture.amount:
            raise RefundExceedsCapture


@dataclass(frozen=True, slots=True, kw_only=True)
class Void(OnAuthorization):
    """Give the promise back before anything was taken."""

    kind: ClassVar[Kind] = Kind.VOID

    def effect(self, *, ledger: Ledger, key: str, at: int) -> Effect:
        """Release what is held; a voided authorization stays as it is."""
        before = self.authorization_of(ledger=ledger)
        authorization = before.void()
        resource = authorization.as_json()
        if before.voided:
            return Effect(authorization=authorization, resource_id=authorization.id, resource=resource, status_code=200)
        entry = None
        if before.status is AuthorizationStatus.AUTHORIZED:
            entry = _entry(kind=self.kind, authorization=authorization, amount=authorization.amount, key=key, at=at)
        return Effect(
            authorization=authorization,
            resource_id=authorization.id,
            resource=resource,
            entry=entry,
            event_type="authorization.voided",
            status_code=200,
        )


def decision(*, authorization: Authorization, at: int, status_code: int = 200) -> Effect:
    """Return what follows from the bank's decision; nothing yet while the payer is being asked."""
    entry, event_type = None, None
    if authorization.status is AuthorizationStatus.AUTHORIZED:
        event_type = "authorization.succeeded"
        entry = _entry(
            kind=Kind.AUTHORISE,
            authorization=authorization,
            amount=authorization.amount,
            key=authorization.key,
            at=at,
        )
    elif authorization.status is AuthorizationStatus.DECLINED:
        event_type = "authorization.failed"
    return Effect(
        authorization=authorization,
        resource_id=authorization.id,
        resource=authorization.as_json(),
        entry=entry,
        event_type=event_type,
        status_code=status_code,
    )


def _entry(
    *,
    kind: Kind,
    authorization: Authorization,
    amount: int,
    key: str,
    at: int,
    resource: str | None = None,
    capture_id: str | None = None,
) -> Entry:
    return Entry(
        kind=kind,
        resource_id=f"{resource}_{secrets.token_hex(12)}" if resource else authorization.id,
        authorization_id=authorization.id,
        capture_id=capture_id,
        amount=amount,
        currency=authorization.currency,
        reference=authorization.reference,
        key=key,
        created_at=at,
    )


def _movement(*, entry: Entry, authorization: Authorization) -> Effect:
    return Effect(
        authorization=authorization,
        resource_id=entry.resource_id,
        resource=movement_as_json(entry=entry, authorization=authorization),
        entry=entry,
        event_type=f"{entry.kind}.succeeded",
    )
