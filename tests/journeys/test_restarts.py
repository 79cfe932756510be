"""Web processes and workers are restarted under load, in turn: no request fails, no event is missed, no task is lost.

``RESTARTS=20`` restarts each kind so often (``make restarts``); the quick form does it twice.
"""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event
from typing import Any

import httpx2
import pytest
from redis import Redis

from shared.embedded.files import free_port
from tests.journeys.orders import an_order, place
from tests.journeys.proxy import Proxy, proxy_before
from tests.journeys.system import System, eventually, running_system

pytestmark = pytest.mark.journey

RESTARTS = int(os.environ.get("RESTARTS", "2"))
BUYERS = 3
SKU = "COFFEE-ETH-250-BEANS"
STOPPED_WITHIN = 60.0  # seconds
TOLD = {"WEB_NOTICE_SECONDS": "3", "MOST_STREAMS_OF_A_KEY": "1000", "WEB_THREADS": "4"}


@dataclass(slots=True)
class Servers:
    """Two web servers, of which one at a time is restarted."""

    system: System
    ports: list[int] = field(default_factory=lambda: [free_port(), free_port()])

    def start(self, port: int) -> None:
        """Start the server on this port and wait until it is ready."""
        self.system.port = port
        self.system.start("web")
        self.system.processes[f"web-{port}"] = self.system.processes.pop("web")
        eventually(self.system.is_ready, within=60, what="readiness")

    def restart(self, port: int) -> None:
        """Ask the server to end, see it end by itself, and start it again."""
        stop(self.system, f"web-{port}")
        self.start(port)


def stop(system: System, name: str) -> None:
    """Ask a process to end and see it end by itself."""
    process = system.processes.pop(name)
    process.send_signal(signal.SIGTERM)
    try:
        assert process.wait(timeout=STOPPED_WITHIN) == 0, system.log_of(name.partition("-")[0])[-2000:]
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        raise AssertionError(f"{name} did not end") from None


@pytest.fixture(scope="module")
def system() -> Iterator[System]:
    """Run everything but the web processes."""
    with running_system(processes=("psp", "worker", "relay", "beat"), told=TOLD) as running:
        running.query("UPDATE inventory_stock_item SET backorder_limit = 1000000 RETURNING 1")
        yield running


@contextmanager
def buying(system: System, proxy: Proxy) -> Iterator[list[Future[list[str]]]]:
    """Have buyers place orders and follow them through the proxy during the block."""
    done = Event()
    with ThreadPoolExecutor(BUYERS) as pool:
        buyers = [pool.submit(_buy, system, proxy, done, number) for number in range(BUYERS)]
        try:
            yield buyers
        finally:
            done.set()


def _buy(system: System, proxy: Proxy, done: Event, number: int) -> list[str]:
    """Place orders until done; return their ids. Every other buyer prefers to wait, the others follow the order."""
    bought = []
    headers = {"Authorization": f"Bearer {system.api_key}"} | ({"Prefer": "wait=10"} if number % 2 else {})
    with httpx2.Client(base_url=f"http://127.0.0.1:{proxy.port}", headers=headers, timeout=90) as client:
        while not done.is_set():
            answer = place(client, an_order(SKU))
            assert answer.status_code == 201, answer.text
            order_id = answer.json()["id"]
            assert client.get(f"/api/v1/orders/{order_id}").status_code == 200
            if number % 2 == 0:
                assert _followed(client, order_id) == ["ordering.order_placed.v1", "ordering.order_confirmed.v1"]
            bought.append(order_id)
    return bought


def _followed(client: httpx2.Client, order_id: str) -> list[str]:
    """Follow an order until it is confirmed, over as many connections as that takes; return what was told of it."""
    told: list[dict[str, Any]] = []
    while not told or told[-1]["status"] != "confirmed":
        headers = {"Last-Event-ID": told[-1]["id"]} if told else {}
        with client.stream("GET", f"/api/v1/orders/{order_id}/stream", headers=headers) as answer:
            assert answer.status_code == 200, answer.read()
            for event in _events(answer):
                told.append(event)
                if event["status"] == "confirmed" and event["change"]["type"].endswith("confirmed.v1"):
                    break
    return [each["event"] for each in told]


def _events(answer: httpx2.Response) -> Iterator[dict[str, Any]]:
    fields: dict[str, str] = {}
    for line in answer.iter_lines():
        name, _, value = line.partition(": ")
        if line:
            fields[name] = value
        elif "data" in fields:
            yield {"id": fields["id"], "event": fields["event"], **json.loads(fields["data"])}
            fields = {}


@pytest.mark.timeout(120 + 60 * RESTARTS)
def test_nothing_fails_while_everything_is_restarted(system: System) -> None:
    servers = Servers(system)
    for port in servers.ports:
        servers.start(port)
    broker = Redis.from_url(system.redis_url)
    with proxy_before(servers.ports) as proxy, buying(system, proxy) as buyers:
        for number in range(RESTARTS):
            servers.restart(servers.ports[number % 2])
            stop(system, "worker")
            assert broker.hlen("orderly:unacked") == 0  # what it had fetched and not begun is with the broker again
            system.start("worker")
            stop(system, "relay")
            system.start("relay")
            assert proxy.failures == []
            for stopped in filter(Future.done, buyers):
                raise AssertionError("a buyer stopped") from stopped.exception()
    assert proxy.failures == []
    bought = [order_id for buyer in buyers for order_id in buyer.result()]

    assert len(bought) > RESTARTS
    assert len(set(bought)) == len(bought) == system.query("SELECT count(*) FROM ordering_order")[0][0]
    eventually(system.is_idle, within=60, what="quiet")
    assert system.query("SELECT DISTINCT status FROM ordering_order") == [("confirmed",)]
    assert system.query("SELECT count(*) FROM outbox_delivery WHERE status <> 'done'") == [(0,)]
    audit = system.manage("audit")
    assert audit.returncode == 0, audit.stdout
