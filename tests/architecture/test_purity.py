"""The core of each context is plain Python that is told the time and never asks for it."""

import sys
from collections.abc import Iterator

import pytest

from tests.architecture.source import Source, contexts, imports_of, names_of, sources

#: What each part of the core may know of its own context, besides itself.
CORE = {
    "events": (),
    "domain": ("events",),
    "ports": ("domain", "events"),
    "use_cases": ("domain", "events", "ports"),
    "sagas": ("domain", "events", "ports", "use_cases"),
}

#: Parts of the standard library that answer differently each time, or reach out of the process.
WORLD = (
    "asyncio",
    "http",
    "os",
    "pathlib",
    "random",
    "secrets",
    "shutil",
    "signal",
    "socket",
    "sqlite3",
    "subprocess",
    "tempfile",
    "threading",
    "time",
    "urllib.request",
)

ASKING = frozenset(
    {
        "datetime.date.today",
        "datetime.datetime.now",
        "datetime.datetime.today",
        "datetime.datetime.utcnow",
        "django.utils.timezone.localdate",
        "django.utils.timezone.localtime",
        "django.utils.timezone.now",
        "uuid.uuid1",
        "uuid.uuid4",
        "uuid.uuid6",
        "uuid.uuid7",
        "uuid.uuid8",
    }
)


def core() -> Iterator[Source]:
    """Yield every module of the core of every context, and the kernel's domain."""
    for context in contexts():
        yield from (each for each in sources(f"contexts.{context}") if is_core(each))
    yield from sources("shared.domain")


def is_core(source: Source) -> bool:
    """Tell whether the module belongs to the core of its context."""
    return source.module.count(".") >= 2 and source.part in CORE


def foreign_imports(source: Source) -> list[str]:
    """Return the imports that the core must not have, each with its place."""
    allowed = ["shared.domain"]
    if source.module.startswith("contexts."):
        allowed += [f"contexts.{source.context}.{part}" for part in (source.part, *CORE[source.part])]
    return [
        f"{source.at(each.node)} imports {each.name}"
        for each in imports_of(source)
        if not each.is_in(*allowed)
        and (each.name.partition(".")[0] not in sys.stdlib_module_names or each.is_in(*WORLD))
    ]


def questions_to_the_world(source: Source) -> list[str]:
    """Return where the module asks for the time, or for something random."""
    return [
        f"{source.at(node)} uses {name}"
        for name, node in names_of(source)
        if name in ASKING or name.startswith(("random.", "secrets.", "time."))
    ]


class TestCore:
    def test_imports_the_standard_library_its_own_core_and_the_kernels_domain_only(self) -> None:
        assert [complaint for source in core() for complaint in foreign_imports(source)] == []

    def test_never_asks_the_clock_nor_throws_dice(self) -> None:
        assert [complaint for source in core() for complaint in questions_to_the_world(source)] == []

    def test_is_there_in_every_context_and_in_the_kernel(self) -> None:
        seen = {source.module for source in core()}
        assert {"contexts.ordering.domain", "contexts.payments.sagas", "shared.domain.money"} <= seen
        assert not any(module.startswith("contexts.payments.simulator") for module in seen)


class TestForeignImports:
    @pytest.mark.parametrize(
        ("module", "line"),
        [
            ("contexts.ordering.domain", "from django.db import models"),
            ("contexts.ordering.domain", "import celery"),
            ("contexts.ordering.domain", "from contexts.ordering.ports import Orders"),
            ("contexts.ordering.domain", "from contexts.ordering import use_cases"),
            ("contexts.ordering.domain", "from .models import OrderRow"),
            ("contexts.ordering.events", "from contexts.ordering.domain import OrderStatus"),
            ("contexts.ordering.ports", "from contexts.ordering.repositories import DjangoOrders"),
            ("contexts.ordering.use_cases", "from contexts.inventory.domain import Hold"),
            ("contexts.ordering.use_cases", "from contexts.inventory import public"),
            ("contexts.ordering.use_cases", "from shared.persistence.unit_of_work import atomic"),
            ("contexts.ordering.use_cases.placing", "from contexts.ordering.wiring import place_order"),
            ("contexts.ordering.sagas", "import httpx2"),
            ("contexts.ordering.domain", "import os.path"),
            ("contexts.ordering.domain", "from urllib.request import urlopen"),
            ("shared.domain.money", "from shared.http.json import json_response"),
            ("shared.domain.money", "def f() -> None:\n    import pydantic"),
        ],
    )
    def test_are_found(self, module: str, line: str) -> None:
        assert len(foreign_imports(Source.of(module, line))) == 1

    @pytest.mark.parametrize(
        ("module", "line"),
        [
            ("contexts.ordering.domain", "from dataclasses import dataclass"),
            ("contexts.ordering.domain", "from urllib.parse import urlsplit"),
            ("contexts.ordering.domain", "from contexts.ordering import events"),
            ("contexts.ordering.domain.order", "from contexts.ordering.domain.money import Money"),
            ("contexts.ordering.use_cases", "from contexts.ordering.ports import Orders"),
            ("contexts.ordering.sagas", "from contexts.ordering.use_cases import CancelOrder"),
            ("contexts.ordering.sagas", "from shared.domain import saga"),
            ("shared.domain.money", "from shared.domain.errors import ConflictError"),
        ],
    )
    def test_are_told_from_allowed_ones(self, module: str, line: str) -> None:
        assert foreign_imports(Source.of(module, line)) == []


class TestQuestionsToTheWorld:
    @pytest.mark.parametrize(
        "text",
        [
            "from datetime import datetime\nat = datetime.now()",
            "from datetime import datetime as dt, UTC\nat = dt.now(tz=UTC)",
            "import datetime\nat = datetime.datetime.utcnow()",
            "import datetime as d\ntoday = d.date.today()",
            "from django.utils import timezone\nat = timezone.now()",
            "from django.utils.timezone import now\nat = now()",
            "from uuid import uuid4\nid = field(default_factory=uuid4)",
            "import uuid\nid = uuid.uuid4()",
            "import time\nat = time.time()",
            "from time import monotonic\nat = monotonic()",
            "import random\nn = random.randint(1, 6)",
            "from secrets import token_hex\nkey = token_hex()",
        ],
    )
    def test_are_found(self, text: str) -> None:
        assert questions_to_the_world(Source.of("contexts.ordering.domain", text)) != []

    @pytest.mark.parametrize(
        "text",
        [
            "at = self.now()",
            "from datetime import datetime\nat = datetime.fromisoformat(text)",
            "from uuid import UUID, uuid5\nid = uuid5(UUID(int=0), 'x')",
            "def cancel(*, time: str) -> None:\n    record(time)",
        ],
    )
    def test_are_told_from_harmless_ones(self, text: str) -> None:
        assert questions_to_the_world(Source.of("contexts.ordering.domain", text)) == []
