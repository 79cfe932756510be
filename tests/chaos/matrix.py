"""The kill matrix: what is killed, where, and how the system is judged afterwards."""

import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from uuid import uuid4

import httpx2

from tests.chaos.systems import CrashingSystem
from tests.journeys.orders import an_order, cancel
from tests.journeys.system import System, eventually

BUYERS = 4
MORE_UNITS = 300  # of each item, each round
REACHED_WITHIN = 120.0  # seconds
QUIET_WITHIN = 300.0  # seconds
PATIENCE = 60.0  # seconds, of one buyer with one request
TOKENS = ("tok_approved",) * 8 + ("tok_declined", "tok_error_before_charge", "tok_error_after_charge")
SHARE_CANCELLED = 0.15


@dataclass(frozen=True, slots=True, kw_only=True)
class Kill:
    """A process that is killed with SIGKILL where it reaches a named crash point."""

    process: str
    point: str

    @property
    def title(self) -> str:
        """Return the kill as it stands in the table."""
        return f"{self.process}: {self.point}"


#: Before and after each commit, publish, step that calls out, request to another, effect and acknowledgement.
KILLS = (
    Kill(process="web", point="unit_of_work.before_commit"),
    Kill(process="web", point="unit_of_work.after_commit"),
    Kill(process="relay", point="unit_of_work.before_commit"),
    Kill(process="relay", point="unit_of_work.after_commit"),
    Kill(process="relay", point="broker.before_publish"),
    Kill(process="relay", point="broker.after_publish"),
    Kill(process="worker", point="unit_of_work.before_commit"),
    Kill(process="worker", point="unit_of_work.after_commit"),
    Kill(process="worker", point="saga.before_call"),
    Kill(process="worker", point="saga.after_call"),
    Kill(process="worker", point="delivery.before_handler"),
    Kill(process="worker", point="delivery.after_handler"),
    Kill(process="worker", point="provider.before_request"),
    Kill(process="worker", point="provider.after_answer"),
    Kill(process="worker", point="celery.before_acknowledge"),
    Kill(process="worker", point="celery.after_acknowledge"),
    Kill(process="webhooks", point="unit_of_work.before_commit"),
    Kill(process="webhooks", point="unit_of_work.after_commit"),
    Kill(process="webhooks", point="webhooks.before_request"),
    Kill(process="webhooks", point="webhooks.after_request"),
)


@dataclass(slots=True)
class Load:
    """Buyers who order, retry under the same key until they are answered, and sometimes cancel."""

    system: System
    skus: list[str]
    accepted: list[str] = field(default_factory=list)
    refused: int = 0
    _stop: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def buy(self) -> None:
        """Order one basket after the other until told to stop."""
        chance = random.Random()  # noqa: S311 - not a secret
        with self.system.client() as client:
            while not self._stop.is_set():
                sku, token = chance.choice(self.skus), chance.choice(TOKENS)
                answer = self._until_answered(client, an_order(sku, token=token))
                if answer is None:
                    return
                if answer.status_code != 201:
                    assert answer.json()["code"] == "insufficient_stock", answer.text
                    with self._lock:
                        self.refused += 1
                    continue
                order_id = answer.json()["id"]
                with self._lock:
                    self.accepted.append(order_id)
                if chance.random() < SHARE_CANCELLED:
                    self._cancel(client, order_id)

    def stop(self) -> None:
        """Have the buyers finish what they are at."""
        self._stop.set()

    def _until_answered(self, client: httpx2.Client, body: dict[str, object]) -> httpx2.Response | None:
        """Send the request under one key until it is answered: what a careful client does."""
        key, deadline, last = uuid4().hex, time.monotonic() + PATIENCE, ""
        while time.monotonic() < deadline:
            try:
                answer = client.post("/api/v1/orders", json=body, headers={"Idempotency-Key": key})
            except httpx2.TransportError as error:
                last = repr(error)
                self._stop.wait(0.1)
                continue
            last = answer.text
            if answer.status_code < 500 and answer.json().get("code") != "idempotency_key_in_use":
                return answer
            self._stop.wait(0.1)
        raise AssertionError(f"a request was not answered within {PATIENCE} seconds; the last answer: {last}")

    def _cancel(self, client: httpx2.Client, order_id: str) -> None:
        try:
            cancel(client, order_id)
        except httpx2.TransportError:
            return


@contextmanager
def under_load(system: System) -> Iterator[Load]:
    """Have buyers buy during the block; each time there is as much more to be had, so that no round runs dry."""
    system.query("UPDATE inventory_stock_item SET backorder_limit = backorder_limit + %s RETURNING 1", MORE_UNITS)
    skus = [sku for (sku,) in system.query("SELECT DISTINCT sku FROM inventory_stock_item ORDER BY sku LIMIT 12")]
    load = Load(system=system, skus=skus)
    failures: list[BaseException] = []

    def buy() -> None:
        try:
            load.buy()
        except BaseException as failure:
            failures.append(failure)
            raise

    buyers = [threading.Thread(target=buy, daemon=True) for _ in range(BUYERS)]
    for buyer in buyers:
        buyer.start()
    try:
        yield load
    finally:
        load.stop()
        for buyer in buyers:
            buyer.join(timeout=90)
    assert not failures, failures


def kill_at(system: CrashingSystem, kill: Kill, *, passes: int) -> None:
    """Arm the crash point, wait until a process died there, and start what died again."""
    directory, nonce = system.crash_directory, uuid4().hex
    scratch = directory / f"arming-{nonce}"
    scratch.write_text(f"{kill.point} {kill.process} {passes} {nonce}")
    scratch.rename(directory / "armed")
    eventually((directory / f"reached-{nonce}").exists, within=REACHED_WITHIN, what=f"reaching {kill.title}")
    system.restart_if_dead(kill.process)


def settle_and_judge(system: CrashingSystem, load: Load) -> dict[str, int]:
    """Wait until all is quiet; then nothing may be lost, doubled or stuck. Return counts for the table."""
    wait_for_quiet(system)
    audit = system.manage("audit")
    assert audit.returncode == 0, audit.stdout + audit.stderr
    final = dict(system.query("SELECT id::text, status FROM ordering_order"))
    lost = [order_id for order_id in load.accepted if order_id not in final]
    assert not lost, f"accepted and gone: {lost}"
    stuck = [order_id for order_id, status in final.items() if status not in {"confirmed", "cancelled"}]
    assert not stuck, f"neither confirmed nor cancelled: {stuck}"
    judge_money(system, final)
    judge_events(system)
    judge_webhooks(system)
    return {"orders": len(final), "accepted": len(load.accepted), "refused": load.refused}


def wait_for_quiet(system: System) -> None:
    """Wait until nothing is left to be done, or tell what is; a pause grows with each attempt that failed."""
    try:
        eventually(system.is_idle, within=QUIET_WITHIN, what="quiet", every=0.5)
    except AssertionError as error:
        left = system.query(
            "SELECT name, status, stage, attempts, failures, due_at - now(), leased_until, last_error FROM saga"
            " WHERE finished_at IS NULL"
        ) + system.query(
            "SELECT subscription, status, attempts, due_at - now(), last_error FROM outbox_delivery"
            " WHERE status <> 'done'"
        )
        raise AssertionError(f"{error}: {left[:20]}") from None


def judge_money(system: System, final: dict[str, str]) -> None:
    """Compare the provider's own ledger with our orders: one charge for a confirmed order, none for another."""
    charges: dict[str, int] = {}
    for entry in provider_ledger(system):
        change = {"authorise": 1, "void": -1}.get(entry["kind"], 0)
        charges[entry["reference"]] = charges.get(entry["reference"], 0) + change
    wanted = {order_id: 1 if status == "confirmed" else 0 for order_id, status in final.items()}
    wrong = {
        order_id: (charges.get(order_id, 0), count)
        for order_id, count in wanted.items()
        if charges.get(order_id, 0) != count
    }
    assert not wrong, f"(charges, wanted) by order: {wrong}"
    orphans = [reference for reference, count in charges.items() if count and reference not in final]
    assert not orphans, f"charged without an order: {orphans}"
    doubled = system.query("SELECT payment_id FROM payments_operation GROUP BY payment_id, kind HAVING count(*) > 1")
    assert not doubled


def judge_events(system: System) -> None:
    """See that each committed fact has its event, and each subscriber had its effect once."""
    missing = system.query(
        """
        SELECT o.id FROM ordering_order AS o
        WHERE NOT EXISTS (SELECT FROM outbox_message AS m WHERE m.aggregate_id = o.id AND m.topic LIKE '%%placed.v1')
           OR (o.status = 'confirmed') <> EXISTS (
                SELECT FROM outbox_message AS m WHERE m.aggregate_id = o.id AND m.topic LIKE '%%confirmed.v1')
              AND o.status = 'confirmed'
           OR (o.status = 'cancelled') <> EXISTS (
                SELECT FROM outbox_message AS m WHERE m.aggregate_id = o.id AND m.topic LIKE '%%cancelled.v1')
        """
    )
    assert not missing, f"orders without their events: {missing}"
    undelivered = system.query("SELECT count(*) FROM outbox_delivery WHERE status <> 'done'")
    assert undelivered == [(0,)]


def judge_webhooks(system: CrashingSystem) -> None:
    """See that the other server was told of each event, and of none before an earlier one of its aggregate."""
    told = system.query(
        "SELECT aggregate_id::text, id::text FROM outbox_message WHERE topic LIKE 'ordering.%%'"
        " ORDER BY aggregate_id, aggregate_sequence"
    )
    arrived = {event_id: place for place, event_id in enumerate(dict.fromkeys(system.other_server.ids))}
    untold = [event_id for _, event_id in told if event_id not in arrived]
    assert not untold, f"not told to the other server: {untold}"
    overtaken = [
        late
        for (order, early), (same_order, late) in pairwise(told)
        if order == same_order and arrived[late] < arrived[early]
    ]
    assert not overtaken, f"told before an earlier event of the same order: {overtaken}"


def provider_ledger(system: System) -> list[dict[str, str]]:
    """Return all entries of the provider's ledger."""
    entries: list[dict[str, str]] = []
    after = 0
    with system.psp() as psp:
        while page := psp.get("/v1/ledger", params={"after": after, "limit": 100}).json()["entries"]:
            entries += page
            after = page[-1]["sequence"]
    return entries


def write_table(rows: list[tuple[str, int, str]], *, path: Path, facts: str) -> None:
    """Write the table of kills and outcomes."""
    lines = [
        "# The kill matrix",
        "",
        "Written by `make chaos`: real processes under load; at each crash point the process that reaches it is ended",
        "with SIGKILL and started again. Then the audit has to be clean, the provider's ledger equal to ours, each",
        "accepted order final, each committed fact told, by webhooks too, and each subscriber's effect there once.",
        "",
        facts,
        "",
        "| what was killed, and where | times | outcome |",
        "|---|---|---|",
        *(f"| {title} | {times} | {outcome} |" for title, times, outcome in rows),
    ]
    path.write_text("\n".join(lines) + "\n")
