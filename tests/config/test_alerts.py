"""Alert rules, dashboard and handbook speak of metrics that exist, and the rules fire when they should."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families

pytestmark = pytest.mark.django_db

ROOT = Path(__file__).resolve().parent.parent.parent
ALERTS = ROOT / "deploy" / "prometheus" / "alerts.yml"
DASHBOARD = ROOT / "deploy" / "grafana" / "orderly.json"
HANDBOOK = ROOT / "docs" / "operations.md"
PROMTOOL = shutil.which("promtool")
NAME = re.compile(r"\borderly_[a-z0-9_]+")
needs_promtool = pytest.mark.skipif(
    PROMTOOL is None, reason="promtool is not installed (Debian: apt install prometheus)"
)


@pytest.fixture
def families(client: Client) -> dict[str, str]:
    """Return our metrics by the name in the handbook, each with its type."""
    shown = text_string_to_metric_families(client.get("/metrics").content.decode())
    ours = [family for family in shown if re.fullmatch(r"orderly_.*(?<!_created)", family.name)]
    return {family.name + ("_total" if family.type == "counter" else ""): family.type for family in ours}


@pytest.fixture
def existing(families: dict[str, str]) -> set[str]:
    """Return the names under which Prometheus keeps them."""
    endings = {"histogram": ("_bucket", "_sum", "_count")}
    return {name + ending for name, kind in families.items() for ending in endings.get(kind, ("",))}


def rules() -> list[dict[str, Any]]:
    """Return all alerts."""
    groups = yaml.safe_load(ALERTS.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


class TestAlerts:
    def test_ask_for_metrics_that_exist(self, existing: set[str]) -> None:
        for rule in rules():
            asked = set(NAME.findall(rule["expr"]))
            assert asked, rule["alert"]
            assert asked <= existing, rule["alert"]

    def test_tell_what_to_do(self) -> None:
        handbook = {line.removeprefix("### ") for line in HANDBOOK.read_text().splitlines() if line.startswith("### ")}

        assert {rule["alert"] for rule in rules()} == handbook
        for rule in rules():
            assert rule["labels"]["severity"] in {"page", "ticket"}
            assert rule["annotations"]["runbook"] == f"docs/operations.md#{rule['alert'].lower()}"

    @needs_promtool
    @pytest.mark.parametrize("command", [("check", "alerts.yml"), ("test", "alerts_test.yml")])
    def test_fire_when_they_should(self, command: tuple[str, str]) -> None:
        verb, file = command
        checked = subprocess.run(
            [str(PROMTOOL), verb, "rules", file], cwd=ALERTS.parent, capture_output=True, text=True, check=False
        )

        assert checked.returncode == 0, checked.stdout + checked.stderr


class TestDashboard:
    def test_asks_for_metrics_that_exist(self, existing: set[str]) -> None:
        panels = json.loads(DASHBOARD.read_text())["panels"]
        for panel in panels:
            for target in panel.get("targets", ()):
                asked = set(NAME.findall(target["expr"]))
                assert asked <= existing, panel["title"]
                assert asked, panel["title"]

    def test_has_each_panel_once_and_none_over_another(self) -> None:
        panels = json.loads(DASHBOARD.read_text())["panels"]
        places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels]

        assert len({panel["id"] for panel in panels}) == len(set(places)) == len(panels)

    @needs_promtool
    def test_has_queries_that_prometheus_understands(self, tmp_path: Path) -> None:
        panels = json.loads(DASHBOARD.read_text())["panels"]
        queries = [target["expr"] for panel in panels for target in panel.get("targets", ())]
        rules = [{"record": f"panel:{number}", "expr": query} for number, query in enumerate(queries)]
        file = tmp_path / "queries.yml"
        file.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
        checked = subprocess.run(
            [str(PROMTOOL), "check", "rules", str(file)], capture_output=True, text=True, check=False
        )

        assert checked.returncode == 0, checked.stdout + checked.stderr


class TestHandbook:
    def test_knows_every_metric_and_no_other(self, families: dict[str, str]) -> None:
        described = re.findall(r"^\| `(orderly_[a-z0-9_]+)`", HANDBOOK.read_text(), flags=re.MULTILINE)

        assert sorted(described) == sorted(families), "add a row to the table at the end of docs/operations.md"
