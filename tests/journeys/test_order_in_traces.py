"""One trace from the request to the provider and back, kept by all processes; needs the extra ``otel``."""

import json
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from tests.journeys.orders import an_order, settled
from tests.journeys.system import PROCESSES, System, eventually, running_system
from tests.webhooks.receiver import listening

pytestmark = pytest.mark.journey

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
CALLER = "b7ad6b7169203331"
#: The spans that are the last of their branches; which of them comes last of all, nobody knows.
ENDS = {
    "ordering.go_on_with_authorized_order",
    "ordering.checkout confirm_order",
    "relay ordering.order_confirmed.v1",
}


@pytest.fixture(scope="module")
def traced_system() -> Iterator[System]:
    """Run a system whose processes write their spans beside their logs."""
    with running_system(processes=(*PROCESSES, "webhooks"), told={"OTEL_TRACES_EXPORTER": "console"}) as system:
        yield system


def spans_of(system: System) -> dict[str, dict[str, Any]]:
    """Return all spans of the processes by their id, each with the name of its process."""
    found = {}
    for process in ("web", "relay", "worker", "beat", "webhooks"):
        for line in system.log_of(process).splitlines():
            if line.startswith('{"name"'):
                span = json.loads(line)
                found[span["context"]["span_id"].removeprefix("0x")] = span | {"process": process}
    return found


def path_to(span: dict[str, Any], spans: dict[str, dict[str, Any]]) -> list[tuple[str, str]]:
    """Return process and name of the span and of those above it, from the top down."""
    parent = spans.get((span["parent_id"] or "").removeprefix("0x"))
    return [*(path_to(parent, spans) if parent else []), (span["process"], span["name"])]


class TestTrace:
    def test_leads_from_the_request_through_relay_and_worker_to_the_provider(self, traced_system: System) -> None:
        system = traced_system
        ((sku,),) = system.query("SELECT sku FROM inventory_stock_item ORDER BY on_hand - held DESC LIMIT 1")
        headers = {"traceparent": f"00-{TRACE_ID}-{CALLER}-01", "Idempotency-Key": uuid4().hex}
        with system.client() as shop:
            placed = shop.post("/api/v1/orders", json=an_order(sku), headers=headers)
            settled(shop, placed.json()["id"])

        def whole_trace() -> dict[str, dict[str, Any]] | None:
            spans = spans_of(system)
            of_order = {
                span_id: span
                for span_id, span in spans.items()
                if span["context"]["trace_id"].removeprefix("0x") == TRACE_ID
            }
            return of_order if {span["name"] for span in of_order.values()} >= ENDS else None

        spans = eventually(whole_trace, what="the end of the trace")
        paths = [path_to(span, spans) for span in spans.values()]
        request = ("web", "POST api/v1/orders")
        charge = ("worker", "ordering.checkout authorize_payment")
        answer = ("worker", "ordering.checkout authorize_payment answer")

        assert [request] in paths
        assert [request, ("relay", "relay ordering.order_placed.v1")] in paths
        assert [request, ("worker", "ordering.checkout secure_stock")] in paths
        assert [request, charge, ("worker", "POST")] in paths
        assert [request, answer, ("relay", "relay payments.payment_authorized.v1")] in paths
        assert [request, answer, ("worker", "ordering.go_on_with_authorized_order")] in paths
        assert [
            request,
            ("worker", "ordering.checkout confirm_order"),
            ("relay", "relay ordering.order_confirmed.v1"),
        ] in paths

        (call,) = [
            span_id for span_id, span in spans.items() if path_to(span, spans) == [request, charge, ("worker", "POST")]
        ]
        (seen,) = [json.loads(line) for line in system.log_of("psp").splitlines()]
        assert seen["traceparent"] == f"00-{TRACE_ID}-{call}-01"

    def test_leads_to_the_servers_that_are_told(self, traced_system: System) -> None:
        system = traced_system
        ((sku,),) = system.query("SELECT sku FROM inventory_stock_item ORDER BY on_hand - held DESC LIMIT 1")
        trace_id = uuid4().hex
        headers = {"traceparent": f"00-{trace_id}-{CALLER}-01"}
        with listening() as receiver, system.client() as shop:
            endpoint = {"url": receiver.url, "topics": ["ordering.order_placed.v1"]}
            added = shop.post("/api/v1/webhook-endpoints", json=endpoint, headers={"Idempotency-Key": uuid4().hex})
            assert added.status_code == 201, added.text
            shop.post("/api/v1/orders", json=an_order(sku), headers=headers | {"Idempotency-Key": uuid4().hex})
            (told,) = eventually(lambda: receiver.received, what="the webhook")

        _, told_trace_id, caller, _ = told.headers["traceparent"].split("-")
        spans = eventually(lambda: (found := spans_of(system)).get(caller) and found, what="the webhook's span")
        assert told_trace_id == trace_id
        assert path_to(spans[caller], spans) == [
            ("web", "POST api/v1/orders"),
            ("webhooks", "webhook ordering.order_placed.v1"),
            ("webhooks", "POST"),
        ]

    def test_has_the_statements_of_the_work_and_none_of_those_that_look_for_work(self, traced_system: System) -> None:
        with traced_system.client() as shop:
            shop.get("/api/v1/categories")

        spans = eventually(lambda: spans_of(traced_system), what="spans")
        statements = [span for span in spans.values() if span["attributes"].get("db.system") == "postgresql"]
        assert {path_to(span, spans)[0][0] for span in statements} >= {"web"}
        assert all(span["parent_id"] for span in statements)
        assert not [span for span in spans.values() if span["attributes"].get("http.route") in ("healthz", "readyz")]
