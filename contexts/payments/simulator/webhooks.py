"""Write, sign and send webhooks, again and again until the client has acknowledged."""

import asyncio
import hashlib
import hmac
import secrets
from collections.abc import Sequence
from typing import Any

import httpx2
import orjson

from contexts.payments.simulator.moments import Clock, is_set_within, iso
from contexts.payments.simulator.outbox import Outbox, Target, Webhook

AT_ONCE = 8
# How many are taken out of the outbox before they wait for a slot; looked at again at half of it.
STARTED = 64
TIMEOUT_SECONDS = 5.0


def new_event(*, event_type: str, data: dict[str, Any], key: str, at: int) -> tuple[str, bytes]:
    """Return the id and the body of a new event."""
    event_id = f"evt_{secrets.token_hex(12)}"
    event = {
        "id": event_id,
        "type": event_type,
        "created_at": iso(at=at),
        "idempotency_key": key,
        "data": data,
    }
    return event_id, orjson.dumps(event)


def signature(*, body: bytes, secret: str, at: int) -> str:
    """Return the Psp-Signature of a body sent at a moment: HMAC-SHA256 over `<unix seconds>.<body>`."""
    seconds = str(at // 1000)
    digest = hmac.new(secret.encode(), b"%s.%s" % (seconds.encode(), body), hashlib.sha256).hexdigest()
    return f"t={seconds},v1={digest}"


class Dispatcher:
    """Send what is due in the outbox, a few at once."""

    def __init__(self, *, outbox: Outbox, client: httpx2.AsyncClient, clock: Clock) -> None:
        self._outbox = outbox
        self._client = client
        self._clock = clock
        self._target = outbox.target()
        self._wake = asyncio.Event()
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._started: set[int] = set()
        self._has_more = False
        self._awaited: dict[int, asyncio.Event] = {}

    @property
    def has_listener(self) -> bool:
        """Tell whether there is anybody to send webhooks to."""
        return self._target is not None

    def send_to(self, *, target: Target) -> None:
        """Send webhooks there from now on, also the pending ones."""
        self._outbox.set_target(target=target)
        self._target = target
        self.wake()

    def wake(self) -> None:
        """Look at the outbox now, because something was written to it."""
        self._wake.set()

    async def run(self) -> None:
        """Send webhooks until cancelled."""
        async with asyncio.TaskGroup() as sends:
            while True:
                self._wake.clear()
                now = self._clock()
                self._start_due(now, sends)
                await is_set_within(event=self._wake, seconds=self._pause(now))

    async def are_delivered_within(self, *, sequences: Sequence[int], seconds: float) -> bool:
        """Wait at most so long until the client has acknowledged these webhooks."""
        awaited = {sequence: self._awaited.setdefault(sequence, asyncio.Event()) for sequence in sequences}
        self.wake()
        try:
            async with asyncio.timeout(seconds):
                for event in awaited.values():
                    await event.wait()
        except TimeoutError:
            return False
        finally:
            for sequence in awaited:
                self._awaited.pop(sequence, None)
        return True

    def _start_due(self, now: int, sends: asyncio.TaskGroup) -> None:
        if self._target is None:
            return
        self._has_more = len(self._started) > STARTED // 2
        if self._has_more:
            return
        due = self._outbox.due(at=now, limit=STARTED)
        self._has_more = len(due) == STARTED
        for webhook in due:
            if webhook.sequence not in self._started:
                self._started.add(webhook.sequence)
                sends.create_task(self._send(webhook, self._target))

    def _pause(self, now: int) -> float | None:
        due_at = None if self._target is None else self._outbox.next_due(after=now)
        return None if due_at is None else max(due_at - self._clock(), 0) / 1000

    async def _send(self, webhook: Webhook, target: Target) -> None:
        async with self._slots:
            acknowledged = await self._is_acknowledged(webhook, target)
        self._started.discard(webhook.sequence)
        if acknowledged:
            self._outbox.delivered(webhook=webhook)
            if event := self._awaited.get(webhook.sequence):
                event.set()
        else:
            self._outbox.not_delivered(webhook=webhook, at=self._clock())
        if not acknowledged or (self._has_more and len(self._started) <= STARTED // 2):
            self.wake()

    async def _is_acknowledged(self, webhook: Webhook, target: Target) -> bool:
        headers = {
            "Content-Type": "application/json",
            "Psp-Signature": signature(body=webhook.body, secret=target.secret, at=self._clock()),
        }
        try:
            answer = await self._client.post(target.url, content=webhook.body, headers=headers)
        except (httpx2.HTTPError, httpx2.InvalidURL):
            return False
        return answer.is_success
