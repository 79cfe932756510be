"""No module and no function is longer than a reader's patience."""

import ast
import warnings
from collections.abc import Iterator

from tests.architecture.source import CODE, ROOT, Source, sources

LONGEST_MODULE = 400  # lines
LONGEST_FUNCTION = 60  # lines
AIM = 45  # lines of a function


def code() -> Iterator[Source]:
    """Yield every module that people write, tests excepted."""
    for package in CODE:
        yield from (each for each in sources(package) if ".migrations." not in each.module)
    yield Source.of("manage", (ROOT / "manage.py").read_text())


def long_modules(source: Source) -> list[str]:
    """Complain when the module is too long; it becomes a package of the same name."""
    lines = len(source.text.splitlines())
    return [f"{source.module} has {lines} lines"] if lines > LONGEST_MODULE else []


def long_functions(source: Source, *, longest: int = LONGEST_FUNCTION) -> list[str]:
    """Name the functions with more lines than that, decorators not counted."""
    return [
        f"{source.at(node)} {node.name} has {lines} lines"
        for node in ast.walk(source.tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (lines := (node.end_lineno or node.lineno) - node.lineno + 1) > longest
    ]


class TestCode:
    def test_has_no_module_past_400_lines(self) -> None:
        assert [complaint for source in code() for complaint in long_modules(source)] == []

    def test_has_no_function_past_60_lines_and_warns_past_45(self) -> None:
        assert [complaint for source in code() for complaint in long_functions(source)] == []
        if past_aim := [complaint for source in code() for complaint in long_functions(source, longest=AIM)]:
            warnings.warn(f"{len(past_aim)} functions pass {AIM} lines: {'; '.join(past_aim)}", stacklevel=1)


class TestLongModules:
    def test_are_found_at_line_401(self) -> None:
        assert long_modules(Source.of("contexts.ordering.domain", "x = 1\n" * 401)) != []
        assert long_modules(Source.of("contexts.ordering.domain", "x = 1\n" * 400)) == []


class TestLongFunctions:
    def test_are_found_at_line_61_also_in_a_class_and_async(self) -> None:
        text = "class C:\n    async def f(self):\n" + "        x = 1\n" * 60
        assert long_functions(Source.of("contexts.ordering.events", text)) == [
            "contexts/ordering/events.py:2 f has 61 lines"
        ]

    def test_of_60_lines_pass(self) -> None:
        assert long_functions(Source.of("contexts.ordering.domain", "def f():\n" + "    x = 1\n" * 59)) == []
