"""One order, followed through the logs of all processes by its correlation id alone."""

import json
import re
from collections.abc import Iterator
from uuid import uuid4

import pytest

from tests.journeys.orders import an_order, place, settled
from tests.journeys.system import System, eventually

pytestmark = pytest.mark.journey

FIELD = re.compile(r"(\w+)=('[^']*'|\S+)")
TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.fixture
def correlation_id() -> str:
    """Return what nobody else has in a log."""
    return f"journey-{uuid4().hex}"


def lines_of(system: System, process: str, correlation_id: str) -> list[dict[str, str]]:
    """Return the fields of the lines that a process wrote about the work, with what happened as ``event``."""
    return [fields for fields in _parsed(system.log_of(process)) if fields.get("correlation_id") == correlation_id]


def _parsed(log: str) -> Iterator[dict[str, str]]:
    for line in log.splitlines():
        if line.startswith("{"):
            yield {name: str(value) for name, value in json.loads(line).items()}
        elif " [info" in line:
            event = line.partition("] ")[2].split()[0]
            yield {"event": event, **{name: value.strip("'") for name, value in FIELD.findall(line)}}


class TestLogs:
    def test_tell_of_an_order_under_one_correlation_id(self, system: System, correlation_id: str) -> None:
        trace = {"X-Correlation-ID": correlation_id, "traceparent": f"00-{TRACE_ID}-00f067aa0ba902b7-01"}
        once = {"Idempotency-Key": uuid4().hex, "X-Request-ID": "a"}
        ((sku,),) = system.query("SELECT sku FROM inventory_stock_item ORDER BY on_hand - held DESC LIMIT 1")
        with system.client() as shop:
            placed = shop.post("/api/v1/orders", json=an_order(sku), headers=trace | once)
            settled(shop, placed.json()["id"])
        order_id = placed.json()["id"]

        def done() -> bool:
            events = [line["event"] for line in lines_of(system, "worker", correlation_id)]
            return {"saga_finished", "delivery_done"} <= set(events)

        eventually(done, what="the last line of the worker")
        web, relay, worker = (lines_of(system, name, correlation_id) for name in ("web", "relay", "worker"))
        (psp,) = lines_of(system, "psp", correlation_id)

        assert [line["event"] for line in web] == ["request_started", "request_finished"]
        assert {line["request_id"] for line in web} == {"a"}
        assert web[-1]["actor"].startswith("key:")
        assert {line["topic"] for line in relay} >= {"ordering.order_placed.v1", "ordering.order_confirmed.v1"}
        steps = [(line["step"], line["outcome"]) for line in worker if line["event"] == "saga_step_ended"]
        assert steps == [("secure_stock", "done"), ("authorize_payment", "done"), ("confirm_order", "done")]
        assert [line["vendor"] for line in worker if line["event"] == "vendor_called"] == ["simulator"]
        assert {line["subject_id"] for line in worker if line["event"] == "saga_finished"} == {order_id}
        assert (psp["operation"], psp["status"]) == ("authorise", "201")
        assert psp["traceparent"].split("-")[1] == TRACE_ID
        assert {line["trace_id"] for line in worker} == {TRACE_ID}

    def test_name_what_set_each_part_off(self, system: System, correlation_id: str) -> None:
        ((sku,),) = system.query("SELECT sku FROM inventory_stock_item ORDER BY on_hand - held DESC LIMIT 1")
        with system.client(**{"X-Correlation-ID": correlation_id}) as shop:
            placed = place(shop, an_order(sku))
            settled(shop, placed.json()["id"])

        def causes() -> dict[str, str]:
            rows = system.query(
                "SELECT topic, causation_id FROM outbox_message WHERE correlation_id = %s", correlation_id
            )
            return dict(rows)

        ((saga_id,),) = system.query("SELECT id FROM saga WHERE subject_id = %s", placed.json()["id"])
        assert causes() == {
            "ordering.order_placed.v1": placed.headers["X-Request-ID"],
            "payments.payment_authorized.v1": str(saga_id),
            "ordering.order_confirmed.v1": str(saga_id),
        }

    def test_have_no_correlation_id_that_could_forge_a_line(self, system: System) -> None:
        with system.client(**{"X-Correlation-ID": "x request_id=forged", "X-Request-ID": "b2"}) as shop:
            shop.get("/api/v1/categories")

        eventually(lambda: lines_of(system, "web", "b2"), what="a line under the request id instead")
        assert "forged" not in system.log_of("web")
