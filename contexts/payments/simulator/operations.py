"""Carry out each operation once per key, with the warts its token or a scripted fault asks for."""

import asyncio
import hashlib
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import orjson

from contexts.payments.simulator.books import Answer, Booked, Books, Instruction
from contexts.payments.simulator.commands import Command
from contexts.payments.simulator.faults import Faults, Script
from contexts.payments.simulator.ledger import Operation
from contexts.payments.simulator.moments import Clock, is_set_within
from contexts.payments.simulator.refusals import NoAnswer, Refusal
from contexts.payments.simulator.tokens import TIMEOUT_MS, Behaviour, FirstTime
from contexts.payments.simulator.webhooks import Dispatcher

logger = logging.getLogger("psp_simulator")

WEBHOOK_FIRST_SECONDS = 2.0


class IdempotencyKeyReused(Refusal):
    """This Idempotency-Key was sent before with another request."""

    status, code = 422, "idempotency_key_reused"


class OperationNotFound(Refusal):
    """No operation has arrived under this key."""

    status, code = 404, "operation_not_found"


class OperationInProgress(Refusal):
    """The operation has arrived and is not decided yet; ask again."""

    status, code = 409, "operation_in_progress"


class ProcessingError(Refusal):
    """Something went wrong; what came of the operation is not known."""

    status, code = 500, "processing_error"


class ShuttingDown(Refusal):
    """The provider is shutting down; what came of the operation is not known."""

    status, code = 503, "shutting_down"


class Operations:
    """Take operations in and keep clients waiting, failing or answered as the scripts say."""

    def __init__(self, *, books: Books, faults: Faults, dispatcher: Dispatcher, clock: Clock) -> None:
        self._books = books
        self._faults = faults
        self._dispatcher = dispatcher
        self._clock = clock
        self._in_flight: dict[str, asyncio.Event] = {}
        self._stopping = asyncio.Event()
        self._action_added = asyncio.Event()

    async def perform(self, *, key: str, command: Command, trace: Mapping[str, str]) -> Answer:
        """Carry the command out, or answer again what was answered for its key; the trace goes into the log."""
        fingerprint = _fingerprint(command)
        while twin := self._in_flight.get(key):
            await twin.wait()
        if self._stopping.is_set():
            raise ShuttingDown
        if done := self._books.ledger.operation(key=key):
            return _replay(done, fingerprint)
        behaviour = command.behaviour(ledger=self._books.ledger)
        script = self._faults.take()
        instruction = Instruction(
            key=key,
            command=command,
            fingerprint=fingerprint,
            webhook_copies=max(behaviour.webhook_copies, script.webhook_copies),
            webhook_delay_ms=script.webhook_delay_ms,
            trace=trace,
        )
        with self._twins_waiting(key):
            answer = await self._first(instruction, behaviour, script)
        await self._go_wrong_after(behaviour, script)
        return answer

    def lookup(self, *, key: str) -> dict[str, Any]:
        """Return what came of the operation sent under the key."""
        operation = self._books.ledger.operation(key=key)
        if operation is None:
            raise OperationInProgress if key in self._in_flight else OperationNotFound
        return self._books.outcome_of(operation=operation)

    async def run_actions(self) -> None:
        """Approve authorizations when their payers confirm, until cancelled."""
        while True:
            self._action_added.clear()
            self._books.settle_due_actions()
            due_at = self._books.next_action
            pause = None if due_at is None else max(due_at - self._clock(), 1) / 1000
            await is_set_within(event=self._action_added, seconds=pause)

    def stop(self) -> None:
        """Let go of every request that is kept waiting."""
        self._stopping.set()

    @contextmanager
    def _twins_waiting(self, key: str) -> Iterator[None]:
        self._in_flight[key] = decided = asyncio.Event()
        try:
            yield
        finally:
            del self._in_flight[key]
            decided.set()

    async def _first(self, instruction: Instruction, behaviour: Behaviour, script: Script) -> Answer:
        await self._pause(script.latency_ms)
        if script.error_before:
            raise ProcessingError
        failing_first = behaviour.first_time is FirstTime.ERROR_BEFORE_CHARGE
        if failing_first and self._books.ledger.is_first_failure(key=instruction.key):
            raise ProcessingError
        booked = self._books.book(instruction=instruction)
        _log(booked, instruction)
        if booked.authorization.due_at is not None:
            self._action_added.set()
        if booked.webhooks:
            self._dispatcher.wake()
            if behaviour.webhook_first:
                await self._dispatcher.are_delivered_within(sequences=booked.webhooks, seconds=WEBHOOK_FIRST_SECONDS)
        await self._pause(behaviour.answered_after_ms)
        return booked.answer

    async def _go_wrong_after(self, behaviour: Behaviour, script: Script) -> None:
        if behaviour.first_time is FirstTime.TIMEOUT_AFTER_CHARGE:
            await self._pause(TIMEOUT_MS)
        if script.error_after or behaviour.first_time is FirstTime.ERROR_AFTER_CHARGE:
            raise ProcessingError
        if script.drop_connection:
            raise NoAnswer

    async def _pause(self, ms: int) -> None:
        if ms and await is_set_within(event=self._stopping, seconds=ms / 1000):
            raise ShuttingDown


def _fingerprint(command: Command) -> bytes:
    request = b"%s %s" % (command.kind.encode(), orjson.dumps(command, option=orjson.OPT_SORT_KEYS))
    return hashlib.blake2b(request, digest_size=16).digest()


def _replay(done: Operation, fingerprint: bytes) -> Answer:
    if done.fingerprint != fingerprint:
        raise IdempotencyKeyReused
    return Answer(status=done.status_code, body=done.answer, replayed=True)


def _log(booked: Booked, instruction: Instruction) -> None:
    if not logger.isEnabledFor(logging.INFO):
        return
    authorization = booked.authorization
    line = {
        "operation": instruction.command.kind,
        "status": booked.answer.status,
        "currency": authorization.currency,
        "amount": authorization.amount,
        "captured": authorization.captured,
        "refunded": authorization.refunded,
        **instruction.trace,
    }
    logger.info(orjson.dumps(line).decode())
