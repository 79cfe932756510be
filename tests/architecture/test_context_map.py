"""The context map in contexts/README.md says what the code does."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

import pytest

from tests.architecture.source import ROOT, Source, arguments_of, contexts, imports_of, in_part
from tests.architecture.test_context_shape import classes, topic_of

PUBLIC = re.compile(r"contexts\.(\w+)\.public\b")
EVENT = re.compile(r"contexts\.(\w+)\.events\b.*\.(\w+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What a context tells the others, hears of them, and asks them."""

    events_out: frozenset[str]
    events_in: frozenset[str]
    calls: frozenset[str]

    def __str__(self) -> str:
        cells = (self.events_out, self.events_in, self.calls)
        return " | ".join(" ".join(f"`{name}`" for name in sorted(cell)) for cell in cells)


def published_by(sources: Iterable[Source]) -> frozenset[str]:
    """Return the names of the events that the modules declare."""
    return frozenset(event.name for source in sources for event in classes(source) if topic_of(event) is not None)


def heard_by(sources: Iterable[Source]) -> frozenset[str]:
    """Return the events of other contexts that the modules subscribe to, as ``context.Event``."""
    subscribed = [name for source in sources for name in arguments_of(source, "shared.outbox.registry.subscribe")]
    return frozenset(".".join(found.groups()) for name in subscribed if (found := EVENT.match(name)))


def called_by(sources: Iterable[Source]) -> frozenset[str]:
    """Return the contexts whose public module the modules import."""
    return frozenset(
        found.group(1)
        for source in sources
        for each in imports_of(source)
        if (found := PUBLIC.match(each.name)) and found.group(1) != source.context
    )


def in_code() -> dict[str, Context]:
    """Return the map as the code draws it."""
    return {
        context: Context(
            events_out=published_by(in_part(context, "events")),
            events_in=heard_by(in_part(context, "handlers")),
            calls=called_by(in_part(context, "gateways")),
        )
        for context in contexts()
    }


def in_table(text: str) -> dict[str, Context]:
    """Return the map as the table of the page shows it."""
    rows = re.findall(r"^\| \[(\w+)\]\(\1/\) \|[^|]+\|([^|]*)\|([^|]*)\|([^|]*)\|$", text, flags=re.MULTILINE)
    return {
        context: Context(
            **{
                column: frozenset(re.findall(r"`([\w.]+)`", cell))
                for column, cell in zip(("events_out", "events_in", "calls"), cells, strict=True)
            }
        )
        for context, *cells in rows
    }


def in_diagram(text: str) -> tuple[set[tuple[str, str]], set[tuple[str, str]]]:
    """Return the arrows of the diagram: who calls whom, and whose events reach whom."""
    calls = re.findall(r"^ +(\w+) --> (\w+)$", text, flags=re.MULTILINE)
    events = re.findall(r"^ +(\w+) -\.-> (\w+)$", text, flags=re.MULTILINE)
    return set(calls), set(events)


@pytest.fixture(scope="module")
def page() -> str:
    return (ROOT / "contexts" / "README.md").read_text()


class TestContextMap:
    def test_has_every_context_in_its_table_with_what_the_code_says_of_it(self, page: str) -> None:
        shown = in_table(page)
        wrong = [
            f"| [{name}]({name}/) | … | {context} |"
            for name, context in in_code().items()
            if shown.get(name) != context
        ]
        assert wrong == [], "the rows of contexts/README.md have to be:\n" + "\n".join(wrong)
        assert set(shown) == set(contexts())

    def test_has_the_arrows_that_the_code_has(self, page: str) -> None:
        code = in_code()
        calls, events = in_diagram(page)
        assert calls == {(asking, asked) for asking, context in code.items() for asked in context.calls}
        assert events == {(name.split(".")[0], hears) for hears, context in code.items() for name in context.events_in}

    def test_shows_no_event_that_nobody_publishes(self) -> None:
        code = in_code()
        published = {f"{name}.{event}" for name, context in code.items() for event in context.events_out}
        assert {event for context in code.values() for event in context.events_in} - published == set()


class TestDerivation:
    def test_finds_subscriptions_however_they_are_imported(self) -> None:
        text = (
            "from contexts.payments import events\n"
            "from contexts.payments.events import PaymentVoided as Voided\n"
            "from shared.outbox.registry import subscribe\n"
            "@subscribe(Voided)\ndef f(event): ...\n"
            "@subscribe(events.PaymentDeclined)\ndef g(event): ...\n"
        )
        found = heard_by([Source.of("contexts.ordering.handlers", text)])
        assert found == {"payments.PaymentVoided", "payments.PaymentDeclined"}

    def test_finds_calls_however_they_are_imported(self) -> None:
        text = (
            "from contexts.catalog import public as catalog\n"
            "from contexts.identity.public import email_of\n"
            "import contexts.payments.public\n"
            "from contexts.ordering import domain\n"
        )
        assert called_by([Source.of("contexts.ordering.gateways", text)]) == {"catalog", "identity", "payments"}

    def test_finds_events_by_their_topic(self) -> None:
        text = "class Fact: ...\nclass OrderPlaced(Event):\n    topic: ClassVar[str] = 'ordering.order_placed.v1'\n"
        assert published_by([Source.of("contexts.ordering.events", text)]) == {"OrderPlaced"}

    def test_reads_a_row_of_the_table(self) -> None:
        row = "| [ordering](ordering/) | orders | `OrderPlaced` | `payments.PaymentVoided` | `catalog` `identity` |"
        assert in_table(row)["ordering"] == Context(
            events_out=frozenset({"OrderPlaced"}),
            events_in=frozenset({"payments.PaymentVoided"}),
            calls=frozenset({"catalog", "identity"}),
        )
