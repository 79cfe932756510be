"""Write what an operation does, what it announces and what it answers, in one transaction."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from contexts.payments.simulator.commands import Command, Effect, decision
from contexts.payments.simulator.domain import (
    Authorization,
    AuthorizationNotFound,
    AuthorizationStatus,
    Kind,
    movement_as_json,
)
from contexts.payments.simulator.ledger import Ledger, Operation
from contexts.payments.simulator.moments import Clock
from contexts.payments.simulator.outbox import Outbox
from contexts.payments.simulator.refusals import StateRefusal
from contexts.payments.simulator.store import Store
from contexts.payments.simulator.tokens import behaviour_of
from contexts.payments.simulator.webhooks import Dispatcher, new_event


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the client is told."""

    status: int
    body: bytes
    replayed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Instruction:
    """A command with the key it came under, how often and how late it is announced, and its client's trace."""

    key: str
    command: Command
    fingerprint: bytes
    webhook_copies: int
    webhook_delay_ms: int
    trace: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Booked:
    """What was written for an instruction."""

    answer: Answer
    authorization: Authorization
    webhooks: tuple[int, ...] = ()


class Books:
    """Be the only writer of the ledger; nothing here waits, so the event loop is what guards it."""

    def __init__(self, *, store: Store, outbox: Outbox, dispatcher: Dispatcher, clock: Clock) -> None:
        self.ledger = Ledger(connection=store.connection)
        self._store = store
        self._outbox = outbox
        self._dispatcher = dispatcher
        self._clock = clock
        self._next_action = self.ledger.next_due()

    @property
    def next_action(self) -> int | None:
        """Return when the next payer will confirm, or None."""
        return self._next_action

    def authorization(self, *, authorization_id: str) -> Authorization:
        """Return the authorization as it stands now, or raise AuthorizationNotFound."""
        self.settle_due_actions()
        authorization = self.ledger.authorization(authorization_id=authorization_id)
        if authorization is None:
            raise AuthorizationNotFound
        return authorization

    def outcome_of(self, *, operation: Operation) -> dict[str, Any]:
        """Return what came of an operation, with what it made or worked on as that now stands."""
        authorization = self.authorization(authorization_id=operation.authorization_id)
        resource = authorization.as_json()
        if operation.resource_id != authorization.id:
            entry = self.ledger.entry_of(authorization_id=authorization.id, resource_id=operation.resource_id)
            if entry:
                resource = movement_as_json(entry=entry, authorization=authorization)
        return {
            "key": operation.key,
            "kind": operation.kind,
            "status": _status_of(operation, authorization),
            "resource": resource,
            "error": orjson.loads(operation.answer) if operation.refused else None,
        }

    def book(self, *, instruction: Instruction) -> Booked:
        """Carry the instruction out, or keep the refusal, so that its key is answered the same for ever."""
        self.settle_due_actions()
        at = self._clock()
        with self._store.transaction():
            try:
                effect = instruction.command.effect(ledger=self.ledger, key=instruction.key, at=at)
            except StateRefusal as refusal:
                return self._book_refusal(instruction, refusal)
            return self._book_effect(instruction, effect, at)

    def approve(self, *, authorization_id: str) -> Authorization:
        """Let the payer confirm."""
        before = self.authorization(authorization_id=authorization_id)
        return self._settle(before, before.approve())

    def decline(self, *, authorization_id: str) -> Authorization:
        """Let the payer fail to confirm."""
        before = self.authorization(authorization_id=authorization_id)
        return self._settle(before, before.decline(failure_code="authentication_failed"))

    def settle_due_actions(self) -> None:
        """Approve every authorization whose payer has confirmed by now."""
        at = self._clock()
        if self._next_action is None or self._next_action > at:
            return
        for authorization in self.ledger.due_authorizations(at=at):
            self._settle(authorization, authorization.approve())
        self._next_action = self.ledger.next_due()

    def _settle(self, before: Authorization, after: Authorization) -> Authorization:
        if after is not before:
            at = self._clock()
            copies = behaviour_of(token=after.token).webhook_copies
            with self._store.transaction():
                self._write(decision(authorization=after, at=at), key=after.key, at=at, copies=copies)
            self._dispatcher.wake()
        return after

    def _book_effect(self, instruction: Instruction, effect: Effect, at: int) -> Booked:
        answer = Answer(status=effect.status_code, body=orjson.dumps(effect.resource))
        webhooks = self._write(
            effect,
            key=instruction.key,
            at=at,
            copies=instruction.webhook_copies,
            delay_ms=instruction.webhook_delay_ms,
        )
        self._remember(instruction, answer, effect.authorization, effect.resource_id)
        due_at = effect.authorization.due_at
        if due_at is not None:
            self._next_action = due_at if self._next_action is None else min(self._next_action, due_at)
        return Booked(answer=answer, authorization=effect.authorization, webhooks=webhooks)

    def _book_refusal(self, instruction: Instruction, refusal: StateRefusal) -> Booked:
        authorization = instruction.command.authorization_of(ledger=self.ledger)
        if authorization is None:
            raise refusal
        answer = Answer(status=refusal.status, body=refusal.as_body())
        self._remember(instruction, answer, authorization, authorization.id)
        return Booked(answer=answer, authorization=authorization)

    def _remember(
        self, instruction: Instruction, answer: Answer, authorization: Authorization, resource_id: str
    ) -> None:
        self.ledger.record(
            operation=Operation(
                key=instruction.key,
                fingerprint=instruction.fingerprint,
                kind=instruction.command.kind,
                authorization_id=authorization.id,
                resource_id=resource_id,
                status_code=answer.status,
                answer=answer.body,
            )
        )

    def _write(self, effect: Effect, *, key: str, at: int, copies: int, delay_ms: int = 0) -> tuple[int, ...]:
        self.ledger.save(authorization=effect.authorization)
        if effect.entry:
            self.ledger.append(entry=effect.entry)
        if effect.event_type is None or not self._dispatcher.has_listener:
            return ()
        event_id, body = new_event(event_type=effect.event_type, data=effect.resource, key=key, at=at)
        return tuple(self._outbox.add(event_id=event_id, body=body, due_at=at + delay_ms) for _ in range(copies))


def _status_of(operation: Operation, authorization: Authorization) -> str:
    if operation.refused:
        return "refused"
    undecided_or_declined = {AuthorizationStatus.DECLINED, AuthorizationStatus.REQUIRES_ACTION}
    if operation.kind is Kind.AUTHORISE and authorization.status in undecided_or_declined:
        return authorization.status.value
    return "succeeded"
