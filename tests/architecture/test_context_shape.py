"""Every context looks the same: who knows one finds their way in all."""

import ast
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from tests.architecture.source import ROOT, Source, contexts, dotted_name, in_part, sources, vocabulary

PRIMITIVES = frozenset({"UUID", "bool", "datetime", "int", "str"})

#: Words that may not occur in the name of an event's field: events are kept for ever, and sent to others.
PERSONAL = frozenset(
    {
        "address",
        "birthday",
        "card",
        "email",
        "iban",
        "ip",
        "name",
        "password",
        "phone",
        "postcode",
        "secret",
        "street",
        "token",
    }
)

#: Fields that bear such a word and yet say nothing of a person.
NOT_PERSONAL = {"contexts.catalog.events": frozenset({"name"})}  # of a product, on its way to the price list


def parts_of(context: str) -> Iterator[Path]:
    """Yield the modules and packages that lie directly in the context."""
    for path in sorted((ROOT / "contexts" / context).iterdir()):
        if path.suffix == ".py" or (path.is_dir() and any(path.rglob("*.py"))):
            yield path


def strangers(names: Iterable[str]) -> list[str]:
    """Return the names that are not in the vocabulary."""
    return sorted(set(names) - vocabulary() - {"__init__"})


def is_empty(source: Source) -> bool:
    """Tell whether the module says nothing: no statement, or only a docstring or imports."""
    return all(
        isinstance(node, ast.Import | ast.ImportFrom)
        or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
        for node in source.tree.body
    )


def classes(source: Source) -> Iterator[ast.ClassDef]:
    """Yield the public classes of the module."""
    yield from (node for node in source.tree.body if isinstance(node, ast.ClassDef) and not node.name.startswith("_"))


def is_frozen_dataclass(node: ast.ClassDef) -> bool:
    """Tell whether the class is decorated with ``@dataclass(frozen=True, …)``."""
    return any(
        isinstance(decorator, ast.Call)
        and dotted_name(decorator.func) in {"dataclass", "dataclasses.dataclass"}
        and any(key.arg == "frozen" and ast.unparse(key.value) == "True" for key in decorator.keywords)
        for decorator in node.decorator_list
    )


def misshapen_use_cases(source: Source) -> list[str]:
    """Complain of public functions, of classes that are not frozen, and of calls that take bare arguments."""
    complaints = [
        f"{source.at(node)} {node.name} is a function; a use case is a frozen callable"
        for node in source.tree.body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_")
    ]
    for use_case in classes(source):
        if not is_frozen_dataclass(use_case):
            complaints.append(f"{source.at(use_case)} {use_case.name} is not a frozen dataclass")
        complaints += [
            f"{source.at(method)} {use_case.name} is not called by keywords only"
            for method in use_case.body
            if isinstance(method, ast.FunctionDef | ast.AsyncFunctionDef)
            and method.name == "__call__"
            and (len(method.args.posonlyargs) + len(method.args.args) > 1 or method.args.vararg or method.args.kwarg)
        ]
    return complaints


def misshapen_events(source: Source) -> list[str]:
    """Complain of events that are not frozen facts of primitives under a versioned topic."""
    facts = {node.name for node in classes(source)}
    return [complaint for node in classes(source) for complaint in _misshapen_event(source, node, facts)]


def _misshapen_event(source: Source, event: ast.ClassDef, facts: set[str]) -> Iterator[str]:
    where = f"{source.at(event)} {event.name}"
    if not is_frozen_dataclass(event):
        yield f"{where} is not a frozen dataclass"
    if any(dotted_name(base) == "Event" for base in event.bases):
        wanted = rf"{source.context}\.{snake_case(event.name)}\.v[1-9]\d*"
        topic = topic_of(event)
        if topic is None or not re.fullmatch(wanted, topic):
            yield f"{where} has the topic {topic}, not one like {wanted}"
    for name, annotation in fields_of(event):
        if not is_primitive(annotation, facts):
            yield f"{where}.{name} is no primitive: {ast.unparse(annotation)}"
        if PERSONAL & (set(name.split("_")) - NOT_PERSONAL.get(source.module, frozenset())):
            yield f"{where}.{name} looks like personal data"


def topic_of(event: ast.ClassDef) -> str | None:
    """Return the topic that the class declares."""
    for node in event.body:
        if isinstance(node, ast.AnnAssign) and dotted_name(node.target) == "topic" and node.value is not None:
            return str(ast.literal_eval(node.value))
    return None


def fields_of(event: ast.ClassDef) -> Iterator[tuple[str, ast.expr]]:
    """Yield name and annotation of the class's fields; class variables are none."""
    for node in event.body:
        if isinstance(node, ast.AnnAssign) and not ast.unparse(node.annotation).startswith("ClassVar"):
            yield str(dotted_name(node.target)), node.annotation


def is_primitive(annotation: ast.expr, facts: set[str]) -> bool:
    """Tell whether a value of this type goes to JSON and back: a primitive, a fact made of them, or several."""
    if isinstance(annotation, ast.BinOp):  # int | None
        return is_primitive(annotation.left, facts) and is_primitive(annotation.right, facts)
    if isinstance(annotation, ast.Subscript):
        return dotted_name(annotation.value) in {"tuple", "Mapping"} and is_primitive(annotation.slice, facts)
    if isinstance(annotation, ast.Tuple):
        return all(is_primitive(each, facts) for each in annotation.elts)
    if isinstance(annotation, ast.Constant):
        return annotation.value is None or annotation.value is ...
    return dotted_name(annotation) in PRIMITIVES | facts


def snake_case(name: str) -> str:
    """Return OrderPlaced as order_placed."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def topics() -> list[str]:
    """Return the topics of all events of all contexts."""
    return [
        topic
        for context in contexts()
        for source in in_part(context, "events")
        for event in classes(source)
        if (topic := topic_of(event)) is not None
    ]


@pytest.mark.parametrize("context", contexts())
class TestEveryContext:
    def test_has_a_readme_and_an_app(self, context: str) -> None:
        there = {path.name for path in (ROOT / "contexts" / context).iterdir()}
        assert {"README.md", "__init__.py", "apps.py"} - there == set()

    def test_has_only_modules_of_the_vocabulary(self, context: str) -> None:
        assert strangers(path.stem for path in parts_of(context)) == []

    def test_leaves_out_the_modules_that_it_does_not_need(self, context: str) -> None:
        parts = [each for each in sources(f"contexts.{context}") if each.module.count(".") == 2]
        assert [f"{part.module} says nothing" for part in parts if not is_package(part) and is_empty(part)] == []

    def test_has_use_cases_that_are_frozen_callables_by_keyword(self, context: str) -> None:
        assert [each for source in in_part(context, "use_cases") for each in misshapen_use_cases(source)] == []

    def test_publishes_events_that_are_frozen_facts_of_primitives(self, context: str) -> None:
        assert [each for source in in_part(context, "events") for each in misshapen_events(source)] == []


def is_package(source: Source) -> bool:
    """Tell whether the module is the ``__init__`` of a package."""
    return (ROOT / source.module.replace(".", "/")).is_dir()


class TestTopics:
    def test_are_unique_over_all_contexts(self) -> None:
        assert [topic for topic, count in Counter(topics()).items() if count > 1] == []

    def test_are_found(self) -> None:
        assert "ordering.order_placed.v1" in topics()


class TestStrangers:
    def test_are_found(self) -> None:
        assert strangers(["domain", "utils", "__init__", "helpers"]) == ["helpers", "utils"]


class TestIsEmpty:
    @pytest.mark.parametrize("text", ["", '"""Nothing yet."""', '"""Nothing yet."""\n\nfrom uuid import UUID\n'])
    def test_is_true_of_a_module_without_a_statement(self, text: str) -> None:
        assert is_empty(Source.of("contexts.ordering.tasks", text))

    def test_is_false_of_a_module_that_declares_something(self) -> None:
        assert not is_empty(Source.of("contexts.ordering.laws", '"""Laws."""\n\ndeclare(Law())'))


class TestMisshapenUseCases:
    @pytest.mark.parametrize(
        "text",
        [
            "def cancel_order(*, order_id: OrderId) -> None: ...",
            "class CancelOrder: ...",
            "@dataclass(slots=True)\nclass CancelOrder: ...",
            "@dataclass(frozen=False)\nclass CancelOrder: ...",
            "@dataclass(frozen=True)\nclass CancelOrder:\n    def __call__(self, order_id: OrderId) -> None: ...",
            "@dataclass(frozen=True)\nclass CancelOrder:\n    def __call__(self, **options: Any) -> None: ...",
        ],
    )
    def test_are_found(self, text: str) -> None:
        assert len(misshapen_use_cases(Source.of("contexts.ordering.use_cases", text))) == 1

    def test_are_told_from_well_shaped_ones(self) -> None:
        text = "@dataclass(frozen=True)\nclass CancelOrder:\n    def __call__(self, *, id: int) -> None: ..."
        text += "\n\ndef _helps(order): ..."
        assert misshapen_use_cases(Source.of("contexts.ordering.use_cases", text)) == []


class TestMisshapenEvents:
    TEXT = (
        "@dataclass({frozen})\nclass OrderPlaced(Event):\n"
        "    topic: ClassVar[str] = {topic!r}\n"
        "    order_id: UUID\n    total: int | None\n    lines: tuple[tuple[str, int], ...]\n    {field}\n"
    )

    def complaints(
        self, *, frozen: str = "frozen=True", topic: str = "ordering.order_placed.v1", field: str = "at: datetime"
    ) -> list[str]:
        text = self.TEXT.format(frozen=frozen, topic=topic, field=field)
        return misshapen_events(Source.of("contexts.ordering.events", text))

    def test_are_told_from_well_shaped_ones(self) -> None:
        assert self.complaints() == []

    def test_are_found_when_not_frozen(self) -> None:
        assert "is not a frozen dataclass" in self.complaints(frozen="slots=True")[0]

    @pytest.mark.parametrize(
        "topic", ["ordering.order_placed", "ordering.placed.v1", "sales.order_placed.v1", "ordering.order_placed.v0"]
    )
    def test_are_found_by_a_topic_that_is_not_their_name_and_version(self, topic: str) -> None:
        assert "has the topic" in self.complaints(topic=topic)[0]

    def test_are_found_without_a_topic(self) -> None:
        text = "@dataclass(frozen=True)\nclass OrderPlaced(Event):\n    order_id: UUID"
        assert "has the topic None" in misshapen_events(Source.of("contexts.ordering.events", text))[0]

    @pytest.mark.parametrize(
        "type_", ["Money", "list[str]", "dict[str, int]", "Decimal", "OrderStatus | None", "object"]
    )
    def test_are_found_by_a_field_that_is_no_primitive(self, type_: str) -> None:
        assert "is no primitive" in self.complaints(field=f"amount: {type_}")[0]

    @pytest.mark.parametrize(
        "name", ["email", "customer_name", "shipping_address", "phone", "payment_token", "password"]
    )
    def test_are_found_by_a_field_of_personal_data(self, name: str) -> None:
        assert "looks like personal data" in self.complaints(field=f"{name}: str")[0]
