"""The commands of the house: seed and audit."""

import json
import stat
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from pytest_django.fixtures import Settings

from contexts.catalog.models import ProductRow, VariantRow
from contexts.identity.models import AccountRow, ApiKeyRow
from contexts.inventory.models import LocationRow, MovementRow, StockItemRow
from contexts.ordering.models import ShippingMethodRow
from tests.shop import open_shop

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _own_directory(settings: Settings, tmp_path: Path) -> None:
    """Keep the demo's key out of the checkout."""
    settings.DATA_DIRECTORY = str(tmp_path)


def seed() -> None:
    """Run the command."""
    call_command("seed", stdout=StringIO())


def audit(*arguments: str) -> tuple[int, str]:
    """Run the command; return its exit status and what it printed."""
    output = StringIO()
    try:
        call_command("audit", *arguments, stdout=output)
    except SystemExit as ending:
        return int(str(ending.code)), output.getvalue()
    return 0, output.getvalue()


class TestSeed:
    def test_fills_a_believable_shop(self) -> None:
        seed()

        assert ProductRow.objects.count() >= 36
        assert VariantRow.objects.count() > ProductRow.objects.count()
        assert set(LocationRow.objects.values_list("code", flat=True)) == {"BER-1", "HAM-1"}
        assert {"standard", "express"} == set(ShippingMethodRow.objects.values_list("code", flat=True))
        assert AccountRow.objects.get(email="operator@example.com").is_staff

    def test_twice_changes_nothing(self, tmp_path: Path) -> None:
        tables = (ProductRow, VariantRow, StockItemRow, MovementRow, ShippingMethodRow, AccountRow, ApiKeyRow)
        seed()
        before = [table.objects.count() for table in tables], (tmp_path / "demo-api-key").read_text()
        seed()

        assert ([table.objects.count() for table in tables], (tmp_path / "demo-api-key").read_text()) == before

    def test_keeps_the_key_to_its_owner(self, tmp_path: Path) -> None:
        seed()

        assert stat.S_IMODE((tmp_path / "demo-api-key").stat().st_mode) == 0o600

    def test_is_refused_outside_development(self, settings: Settings) -> None:
        settings.DEMO = False
        with pytest.raises(CommandError, match="known password"):
            seed()
        assert not AccountRow.objects.exists()


class TestAudit:
    def test_holds_for_a_shop_with_orders(self) -> None:
        shop = open_shop()
        for _ in range(3):
            assert shop.place().status_code == 201
        status, printed = audit()

        assert (status, "0 broken" in printed) == (0, True), printed

    def test_finds_what_somebody_changed_by_hand(self) -> None:
        open_shop()
        StockItemRow.objects.filter(sku="ESP-250").update(on_hand=11)
        status, printed = audit()

        assert status == 1
        assert "ESP-250 has 11 on hand, its movements add up to 10" in printed
        assert "BROKEN by 2" in printed

    def test_tells_programs_in_json(self) -> None:
        open_shop()
        StockItemRow.objects.filter(sku="ESP-250").update(on_hand=11)
        status, printed = audit("--json")
        broken = [finding for finding in json.loads(printed) if not finding["holds"]]

        assert status == 1
        assert [(finding["law"], finding["broken_by"]) for finding in broken] == [(1, 2)]
