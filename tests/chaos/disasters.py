"""What happens to a whole machine, a network or a disk, not to one process at one place."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any
from uuid import uuid4

import httpx2

from tests.chaos.disk import full_disk_under
from tests.chaos.network import Fault
from tests.chaos.systems import CrashingSystem
from tests.journeys.orders import an_order, place
from tests.journeys.system import ROOT, System, eventually

HOUR = 3600  # seconds
CLOCKS = Path(__file__).parent / "clocks"
ORDERS_BY_WRONG_CLOCKS = 40
RELEASE_EXPIRED = "from contexts.inventory.wiring import release_expired_holds; print(release_expired_holds())"


def flush_broker(system: CrashingSystem) -> None:
    """Wipe the broker and the cache in mid-flight."""
    import redis

    with redis.Redis.from_url(system.redis_url) as broker:
        broker.flushall()


def kill_provider(system: CrashingSystem) -> None:
    """Kill the payment provider and start it again."""
    system.kill("psp")
    system.start("psp")


def cut_off_provider(system: CrashingSystem) -> None:
    """Let requests to the provider go unanswered for longer than anybody waits."""
    process = system.processes["psp"]
    process.send_signal(signal.SIGSTOP)
    try:
        wait_for_doubt(system)
    finally:
        process.send_signal(signal.SIGCONT)


def wait_for_doubt(system: System) -> None:
    """Wait until a request that is sent from now on got no answer, so that nobody knows what became of it."""
    ((begin,),) = system.query("SELECT now()")
    eventually(
        lambda: system.query(
            "SELECT 1 FROM payments_operation WHERE status = 'unknown' AND attempted_at > %s LIMIT 1", begin
        ),
        within=40,
        what="a payment of which nothing is known",
    )


def kill_postgres(system: CrashingSystem) -> None:
    """Kill PostgreSQL's postmaster, and start it again on the same data."""
    system.kill_postgres()
    system.start_postgres()


def silence_network(system: CrashingSystem) -> None:
    """Let nothing through between worker and provider, and tell neither of them."""
    system.cable.break_off(Fault.SILENCE)
    wait_for_doubt(system)
    system.cable.mend()


def lose_answers(system: CrashingSystem) -> None:
    """Let requests arrive at the provider, and break the connection before its answer does."""
    lost = system.cable.lost
    system.cable.break_off(Fault.LOST_ANSWERS)
    eventually(lambda: system.cable.lost >= lost + 3, within=60, what="three lost answers")
    system.cable.mend()


def set_clocks_wrong(system: CrashingSystem) -> None:
    """Have a server and workers whose clocks are an hour apart do all the work for a while."""
    told = {"PYTHONPATH": os.pathsep.join(filter(None, (str(CLOCKS), os.environ.get("PYTHONPATH"))))}
    ahead, behind = ({**told, "CLOCK_AHEAD_SECONDS": str(seconds)} for seconds in (HOUR, -HOUR))
    system.kill("worker")
    system.kill("web")
    system.start_as("worker-ahead", kind="worker", **ahead)
    system.start_as("worker-behind", kind="worker", **behind)
    system.start_as("web", kind="web", **behind)
    eventually(system.is_ready, within=60, what="readiness of a server with a wrong clock")
    ((begin,),) = system.query("SELECT now()")
    try:
        eventually(lambda: settled_since(system, begin) >= ORDERS_BY_WRONG_CLOCKS, within=60, what="orders")
        released = subprocess.run(
            [sys.executable, "manage.py", "shell", "-c", RELEASE_EXPIRED],
            cwd=ROOT,
            env={**system.environment, **ahead},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    finally:
        for name in ("worker-ahead", "worker-behind", "web"):
            system.kill(name)
        system.start("worker", "web")
        eventually(system.is_ready, within=60, what="readiness")
    assert released.split()[-1:] == ["0"], f"promises of stock were ended early: {released}"
    wrong = system.query(
        "SELECT number, cancel_reason FROM ordering_order WHERE placed_at >= %s AND status = 'cancelled'"
        " AND cancel_reason NOT IN ('payment_declined', 'changed my mind')",
        begin,
    )
    assert not wrong, f"given up because of a clock: {wrong}"
    stolen = [name for name in ("worker-ahead", "worker-behind") if "saga_lease_lost" in system.log_of(name)]
    assert not stolen, f"a lease was taken from {stolen}"


def settled_since(system: System, begin: datetime) -> int:
    """Return how many orders came to their end since then."""
    ((count,),) = system.query("SELECT count(*) FROM saga WHERE name = 'ordering.checkout' AND finished_at > %s", begin)
    return int(count)


def fill_disk(system: CrashingSystem) -> None:
    """Leave no space for another event; what needs one is refused whole, and succeeds once there is space again."""
    key = uuid4().hex
    ((sku,),) = system.query("SELECT sku FROM inventory_stock_item ORDER BY on_hand - held DESC LIMIT 1")
    body = an_order(str(sku), email=f"{key}@example.com")
    with system.client() as shop, full_disk_under("outbox_message", database_url=system.database_url) as disk:
        refused = eventually(lambda: _refused(shop, body, key), within=60, what="a refusal for want of space")
        assert (refused.status_code, "Retry-After" in refused.headers) == (503, True), refused.text
        assert traces_of(system, key) == 0, "a refused order left something behind"
        disk.empty()
        eventually(lambda: place(shop, body, key=key).status_code == 201, within=30, what="the order")
    assert traces_of(system, key) == 2, "the order and its key"


def _refused(shop: httpx2.Client, body: dict[str, Any], key: str) -> httpx2.Response | None:
    """Ask for the order under other keys until there is no space left, then under its own."""
    if place(shop, {**body, "email": "filling@example.com"}).status_code < 500:
        return None
    answer = place(shop, body, key=key)
    return answer if answer.status_code >= 500 else None


def traces_of(system: System, key: str) -> int:
    """Return how many rows the order and its key left."""
    ((count,),) = system.query(
        "SELECT (SELECT count(*) FROM ordering_order WHERE email = %s)"
        " + (SELECT count(*) FROM idempotency_key WHERE key = %s)",
        f"{key}@example.com",
        key,
    )
    return int(count)


Strike = Callable[[CrashingSystem], None]

DISASTERS: Mapping[str, Strike] = MappingProxyType(
    {
        "broker: FLUSHALL": flush_broker,
        "provider: SIGKILL": kill_provider,
        "provider: no answer": cut_off_provider,
        "network to the provider: silence": silence_network,
        "network to the provider: answers lost": lose_answers,
        "PostgreSQL: SIGKILL": kill_postgres,
        "clocks: server and workers an hour ahead and behind": set_clocks_wrong,
        "disk of the outbox: full": fill_disk,
    }
)
