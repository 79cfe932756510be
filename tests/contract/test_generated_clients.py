"""Clients that others generate from the documents, built here and put to use."""

import importlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any
from uuid import UUID, uuid4

import pytest

from config.management.commands.write_api_documents import as_text
from tests.journeys.system import BIN, System, eventually

pytestmark = pytest.mark.journey


class Generated:
    """A client's package, found by its dotted names."""

    def __init__(self, package: str, system: System) -> None:
        self.package = package
        self.models: Any = self.module("models")
        self.as_key: Any = self.module("client").AuthenticatedClient(base_url=system.url, token=system.api_key)
        self.as_anybody: Any = self.module("client").Client(base_url=system.url)

    def module(self, name: str) -> ModuleType:
        """Return one of its modules."""
        return importlib.import_module(f"{self.package}.{name}")

    def call(self, operation: str, **arguments: Any) -> Any:
        """Call an operation, such as ``orders.place_order``, and return the whole answer."""
        return self.module(f"api.{operation}").sync_detailed(**{"client": self.as_key} | arguments)


@pytest.fixture(scope="session")
def generated(tmp_path_factory: pytest.TempPathFactory, whole_system: System) -> Iterator[dict[str, Generated]]:
    """Generate a client from each document as its readers do."""
    directory = tmp_path_factory.mktemp("clients")
    for name, prefix in (("shop_client", "/api/v1/"), ("ops_client", "/api/ops/v1/")):
        document = directory / f"{name}.json"
        document.write_text(as_text(prefix))
        generate(document, into=directory / name)
    sys.path.insert(0, str(directory))
    yield {name: Generated(name, whole_system) for name in ("shop_client", "ops_client")}
    sys.path.remove(str(directory))


@pytest.fixture
def shop(generated: dict[str, Generated]) -> Generated:
    """Return the client of shops."""
    return generated["shop_client"]


@pytest.fixture
def ops(generated: dict[str, Generated]) -> Generated:
    """Return the client of operators."""
    return generated["ops_client"]


class TestShopClient:
    def test_buys_what_it_finds(self, shop: Generated) -> None:
        page = shop.call("catalog.list_products", q="coffee", in_stock=True).parsed
        sku = page.items[0].variants[0].sku
        body = an_order_for(shop, sku)
        key = uuid4().hex

        placed = shop.call("orders.place_order", body=body, idempotency_key=key)
        assert (placed.status_code, placed.parsed.lines[0].sku) == (201, sku)
        assert placed.headers["Location"] == f"/api/v1/orders/{placed.parsed.id}"

        again = shop.call("orders.place_order", body=body, idempotency_key=key)
        assert (again.parsed.id, again.headers["Idempotency-Replayed"]) == (placed.parsed.id, "true")

        confirmed = eventually(lambda: with_status(shop, placed.parsed.id, "confirmed"), what="the confirmation")
        assert confirmed.total == placed.parsed.total
        told = shop.call("orders.list_order_timeline", order_id=confirmed.id).parsed.items
        assert [entry.type_ for entry in told] == ["ordering.order_placed.v1", "ordering.order_confirmed.v1"]

    def test_is_told_of_problems_in_their_own_type(self, shop: Generated) -> None:
        body = an_order_for(shop, "NO-SUCH-SKU")
        refused = shop.call("orders.place_order", body=body, idempotency_key=uuid4().hex).parsed
        unknown = shop.call("orders.get_order", order_id=UUID(int=0)).parsed
        stranger = shop.call("orders.list_orders", client=shop.as_anybody).parsed

        assert isinstance(refused, shop.models.Problem)
        assert (unknown.status, unknown.code) == (404, "order_not_found")
        assert (stranger.status, stranger.code) == (401, "missing_token")

    def test_registers_and_logs_in(self, shop: Generated) -> None:
        email, password = f"{uuid4().hex}@example.com", "correct horse battery"
        body = shop.models.RegisterCustomerIn(email=email, password=password, name="Grace Hopper")
        made = shop.call("identity.register_customer", client=shop.as_anybody, body=body)
        body = shop.models.IssueTokensIn(email=email, password=password)
        tokens = shop.call("identity.issue_tokens", client=shop.as_anybody, body=body).parsed

        assert (made.status_code, made.parsed.name) == (201, "Grace Hopper")
        assert (tokens.token_type, tokens.expires_in) == ("Bearer", 900)


class TestOpsClient:
    def test_adjusts_stock_unless_somebody_was_faster(self, ops: Generated) -> None:
        item = ops.call("stock_items.list_stock_items", limit=1).parsed.items[0]
        seen = ops.call("stock_items.get_stock_item", id=item.id)
        change = ops.models.AdjustStockIn(delta=3, reason="found three more")

        adjusted = ops.call("stock_items.adjust_stock_item", id=item.id, body=change, if_match=seen.headers["ETag"])
        assert (adjusted.status_code, adjusted.parsed.on_hand) == (201, seen.parsed.on_hand + 3)

        late = ops.call("stock_items.adjust_stock_item", id=item.id, body=change, if_match=seen.headers["ETag"])
        assert (late.status_code, late.parsed.code) == (412, "version_mismatch")

        movements = ops.call("stock_items.list_stock_item_movements", id=item.id).parsed.items
        assert (movements[0].delta, movements[0].reason) == (3, "found three more")


def generate(document: Path, *, into: Path) -> None:
    """Run the generator; it has to understand every operation."""
    command = [
        *(str(BIN / "openapi-python-client"), "generate", "--path", str(document), "--meta", "none"),
        *("--output-path", str(into), "--fail-on-warning"),
    ]
    path = f"{BIN}{os.pathsep}{os.environ['PATH']}"  # it puts what it writes in order with ruff
    done = subprocess.run(command, env=os.environ | {"PATH": path}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def an_order_for(shop: Generated, sku: str) -> Any:
    """Return the body of a good request for one unit."""
    models = shop.models
    return models.PlaceOrderIn(
        lines=[models.LineIn(sku=sku, quantity=1)],
        email="ada@example.com",
        shipping_address=models.AddressIn(
            name="Ada Lovelace", line1="Lindenstraße 12", city="Berlin", postal_code="10969", country="DE"
        ),
        shipping_method="standard",
        payment=models.PaymentIn(method="simulator", token="tok_approved"),
    )


def with_status(shop: Generated, order_id: UUID, status: str) -> Any:
    """Return the order if it has the status."""
    order = shop.call("orders.get_order", order_id=order_id).parsed
    return order if order.status == status else None
