"""The import contracts hold for the code, and each of them has been seen failing."""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.architecture.source import CODE, ROOT, contract, contracts, imports_of, sources

UPWARDS = "The composition root knows the contexts, the contexts know the kernel, and nobody looks up"
INSIDE = "Inside a context, imports point at the domain"
BETWEEN = "Contexts meet in events and public only"
FRAMEWORKS = "The core knows no framework"
TABLES = "Tables are touched by their own repositories, queries and admin only"
SIMULATORS_ALONE = "Nobody imports a simulator"
SIMULATORS_APART = "A simulator imports nothing of the house"
KERNEL_BY_ITSELF = "The kernel's words and servers stand by themselves"
KERNEL_LAYERS = "The kernel is in layers"
CIRCLES = "No circle of imports"

#: A house in small, in which all is as it should be. Its contexts have other names than the real ones.
HOUSE = {
    "config/urls.py": "from contexts.sales.client_api import cancel",
    "shared/domain/model.py": "",
    "shared/persistence/unit_of_work.py": "from django.db import transaction\nfrom shared.domain import model",
    "shared/outbox/registry.py": "from shared.persistence import unit_of_work",
    "shared/telemetry/context.py": "",
    "shared/http/problems.py": "from shared.domain import model",
    "shared/health/views.py": "from shared.http import problems",
    "shared/embedded/server.py": "",
    "contexts/sales/apps.py": "",
    "contexts/sales/events.py": "from shared.domain import model",
    "contexts/sales/domain.py": "from contexts.sales import events",
    "contexts/sales/ports.py": "from shared.domain import model",
    "contexts/sales/models.py": "from contexts.sales import domain",
    "contexts/sales/use_cases.py": "from contexts.sales import domain, ports",
    "contexts/sales/queries.py": "from contexts.sales import models",
    "contexts/sales/repositories.py": "from contexts.sales import domain, models\nimport shared.outbox.registry",
    "contexts/sales/gateways.py": "from contexts.stock import public",
    "contexts/sales/sagas.py": "from contexts.sales import use_cases",
    "contexts/sales/wiring.py": "from contexts.sales import gateways, repositories, sagas, use_cases",
    "contexts/sales/client_api.py": "from contexts.sales import queries\nfrom contexts.sales.wiring import cancel",
    "contexts/sales/migrations/0001_initial.py": "",
    "contexts/stock/events.py": "",
    "contexts/stock/domain.py": "",
    "contexts/stock/models.py": "",
    "contexts/stock/gateways.py": "",
    "contexts/stock/public.py": "from contexts.stock import domain",
    "contexts/stock/handlers.py": "from contexts.sales.events import OrderCancelled",
    "contexts/stock/simulator/app.py": "from contexts.stock.simulator import books",
    "contexts/stock/simulator/books.py": "",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """A deliberate one: what it says, in which file it is put, and what it breaks."""

    says: str
    file: str
    text: str
    breaks: frozenset[str]


def violation(says: str, file: str, text: str, *breaks: str) -> Violation:
    """Shorten a line of the table below."""
    return Violation(says=says, file=file, text=text, breaks=frozenset(breaks))


VIOLATIONS = [
    violation("kernel_imports_context", "shared/health/views.py", "from contexts.stock import public", UPWARDS),
    violation("context_imports_config", "contexts/sales/apps.py", "from config import urls", UPWARDS),
    violation("context_has_utils", "contexts/sales/utils.py", "", INSIDE),
    violation("ports_import_models", "contexts/sales/ports.py", "import contexts.sales.models", INSIDE, TABLES),
    violation("domain_imports_ports", "contexts/sales/domain.py", "import contexts.sales.ports", INSIDE),
    violation("query_imports_gateways", "contexts/sales/queries.py", "import contexts.sales.gateways", INSIDE),
    violation("use_case_imports_gateways", "contexts/sales/use_cases.py", "import contexts.sales.gateways", INSIDE),
    violation("use_case_imports_stranger", "contexts/sales/use_cases.py", "import contexts.stock.domain", BETWEEN),
    violation(
        "handler_imports_stranger", "contexts/stock/handlers.py", "import contexts.sales.domain", BETWEEN, CIRCLES
    ),
    violation("view_imports_public", "contexts/sales/client_api.py", "import contexts.stock.public", BETWEEN),
    violation("gateway_imports_events", "contexts/sales/gateways.py", "import contexts.stock.events", BETWEEN),
    violation("domain_imports_django", "contexts/sales/domain.py", "import django.db", FRAMEWORKS),
    violation("saga_imports_celery", "contexts/sales/sagas.py", "from celery import shared_task", FRAMEWORKS),
    violation(
        "use_case_reaches_django_through_the_kernel",
        "contexts/sales/use_cases.py",
        "import shared.persistence.unit_of_work",
        FRAMEWORKS,
    ),
    violation("view_imports_models", "contexts/sales/client_api.py", "import contexts.sales.models", TABLES),
    violation(
        "migration_imports_models",
        "contexts/sales/migrations/0001_initial.py",
        "from contexts.sales import models",
        TABLES,
    ),
    violation(
        "gateway_imports_simulator",
        "contexts/stock/gateways.py",
        "import contexts.stock.simulator.books",
        SIMULATORS_ALONE,
    ),
    violation("config_imports_simulator", "config/urls.py", "from contexts.stock import simulator", SIMULATORS_ALONE),
    violation(
        "simulator_imports_kernel", "contexts/stock/simulator/books.py", "import shared.domain.model", SIMULATORS_APART
    ),
    violation(
        "simulator_imports_own_context",
        "contexts/stock/simulator/books.py",
        "import contexts.stock.domain",
        SIMULATORS_APART,
    ),
    violation("embedded_imports_kernel", "shared/embedded/server.py", "import shared.domain.model", KERNEL_BY_ITSELF),
    violation(
        "kernels_domain_imports_kernel",
        "shared/domain/model.py",
        "import shared.telemetry.context",
        KERNEL_BY_ITSELF,
        KERNEL_LAYERS,
    ),
    violation("telemetry_imports_http", "shared/telemetry/context.py", "import shared.http.problems", KERNEL_LAYERS),
    violation("kernel_has_utils", "shared/utils.py", "", KERNEL_LAYERS),
    violation("contexts_wait_for_each_other", "contexts/stock/gateways.py", "import contexts.sales.public", CIRCLES),
    violation(
        "simulator_goes_in_circles", "contexts/stock/simulator/books.py", "import contexts.stock.simulator.app", CIRCLES
    ),
]


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """Build the house in small, under the contracts of the real one."""
    for name, text in {**HOUSE, "contexts/sales/public.py": ""}.items():
        write(tmp_path / name, text)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def write(path: Path, text: str) -> None:
    """Write the module, and make packages of the directories above it up to the root."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(path.read_text() + "\n" + text if path.exists() else text)
    for parent in path.parents:
        if (parent / "pyproject.toml").exists() or parent.name in CODE:
            (parent / "__init__.py").touch()
            break
        (parent / "__init__.py").touch()


def lint(directory: Path) -> str:
    """Return what the linter says of the code in the directory."""
    linter = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [linter, "--no-cache", "--no-logo"],
        cwd=directory,
        env={**os.environ, "COLUMNS": "200", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "Contracts: " in done.stdout, done.stdout + done.stderr
    return done.stdout


def broken(report: str) -> set[str]:
    """Return the names of the contracts that the report calls broken."""
    verdicts = re.findall(r"^(.+?) (KEPT|BROKEN)\b", report, flags=re.MULTILINE)
    assert {name for name, _ in verdicts} == {each["name"] for each in contracts()}
    return {name for name, verdict in verdicts if verdict == "BROKEN"}


class TestContracts:
    def test_hold_for_the_code(self) -> None:
        report = lint(ROOT)
        assert broken(report) == set(), report

    def test_hold_for_the_house_in_small(self, house: Path) -> None:
        report = lint(house)
        assert broken(report) == set(), report

    @pytest.mark.parametrize("planted", [pytest.param(each, id=each.says) for each in VIOLATIONS])
    def test_are_broken_when(self, house: Path, planted: Violation) -> None:
        write(house / planted.file, planted.text)
        report = lint(house)
        assert broken(report) == planted.breaks, report

    def test_have_all_been_seen_failing_by_themselves(self) -> None:
        alone = {name for planted in VIOLATIONS if len(planted.breaks) == 1 for name in planted.breaks}
        assert alone == {each["name"] for each in contracts()}


class TestListOfFrameworks:
    def test_names_every_third_party_package_that_the_code_imports(self) -> None:
        imported = {
            each.name.partition(".")[0]
            for package in CODE
            for source in sources(package)
            for each in imports_of(source)
        }
        third_party = imported - sys.stdlib_module_names - set(CODE)
        assert third_party <= set(contract(FRAMEWORKS)["forbidden_modules"])
