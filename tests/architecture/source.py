"""Reads the source without running it: modules, their imports, and the vocabulary of module names."""

import ast
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
CODE = ("config", "contexts", "shared")


@dataclass(frozen=True, slots=True)
class Source:
    """A module: its dotted name and its parsed text."""

    module: str
    text: str = field(repr=False)
    tree: ast.Module = field(repr=False)

    @classmethod
    def of(cls, module: str, text: str) -> "Source":
        """Parse the text as this module, which need not exist."""
        return cls(module=module, text=text, tree=ast.parse(text))

    @property
    def context(self) -> str:
        """Return which context the module belongs to."""
        return self.module.split(".")[1]

    @property
    def part(self) -> str:
        """Return the module's word of the vocabulary, also for a module that became a package."""
        return self.module.split(".")[2]

    def at(self, node: ast.expr | ast.stmt) -> str:
        """Return where the node is, for an editor to open."""
        path = self.module.replace(".", "/")
        is_package = (ROOT / path).is_dir()
        return f"{path}/__init__.py:{node.lineno}" if is_package else f"{path}.py:{node.lineno}"


@dataclass(frozen=True, slots=True)
class Imported:
    """A name that a module imports, in full, and the name that it goes by there."""

    name: str
    alias: str
    node: ast.stmt = field(repr=False)

    def is_in(self, *packages: str) -> bool:
        """Tell whether it is one of these modules, or something in one of them."""
        return any(self.name == package or self.name.startswith(f"{package}.") for package in packages)


def imports_of(source: Source) -> Iterator[Imported]:
    """Yield everything that the module imports, wherever in the text."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            for name in node.names:
                yield Imported(name=name.name, alias=name.asname or name.name.partition(".")[0], node=node)
        elif isinstance(node, ast.ImportFrom):
            above = source.module.split(".")[: -node.level] if node.level else []
            parent = ".".join([*above, *([node.module] if node.module else [])])
            for name in node.names:
                yield Imported(name=f"{parent}.{name.name}", alias=name.asname or name.name, node=node)


def names_of(source: Source) -> Iterator[tuple[str, ast.expr]]:
    """Yield each name that the module uses, dotted and in full: ``dt.now`` is ``datetime.datetime.now``."""
    meanings = _meanings(source)
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Name | ast.Attribute) and (name := _full_name(node, meanings)):
            yield name, node


def arguments_of(source: Source, decorator: str) -> Iterator[str]:
    """Yield, in full, the names that functions of the module are decorated with: ``@decorator(name)``."""
    meanings = _meanings(source)
    for function in ast.walk(source.tree):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            for each in function.decorator_list:
                if isinstance(each, ast.Call) and _full_name(each.func, meanings) == decorator:
                    yield from (name for argument in each.args if (name := _full_name(argument, meanings)))


def _meanings(source: Source) -> dict[str, str]:
    aliases = {each.alias: each.name for each in imports_of(source) if isinstance(each.node, ast.ImportFrom)}
    return aliases | {
        alias.asname: alias.name
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Import)
        for alias in node.names
        if alias.asname
    }


def _full_name(node: ast.expr, meanings: Mapping[str, str]) -> str | None:
    dotted = dotted_name(node)
    if dotted is None:
        return None
    first, dot, rest = dotted.partition(".")
    return f"{meanings.get(first, first)}{dot}{rest}"


def dotted_name(node: ast.expr) -> str | None:
    """Return the node as a dotted name, if it is one."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and (owner := dotted_name(node.value)):
        return f"{owner}.{node.attr}"
    return None


@cache
def sources(package: str) -> Sequence[Source]:
    """Return all modules of the package."""
    return tuple(
        Source.of(_module_of(path), path.read_text())
        for path in sorted((ROOT / package.replace(".", "/")).rglob("*.py"))
    )


@cache
def contexts() -> Sequence[str]:
    """Return the names of all contexts."""
    return tuple(sorted(path.parent.name for path in (ROOT / "contexts").glob("*/__init__.py")))


def in_part(context: str, part: str) -> Iterator[Source]:
    """Yield the module of the context that has this name, or all of them once it is a package."""
    yield from (each for each in sources(f"contexts.{context}") if each.module.count(".") >= 2 and each.part == part)


@cache
def contract(name: str) -> dict[str, Any]:
    """Return the import contract of that name."""
    return next(each for each in contracts() if each["name"] == name)


@cache
def contracts() -> list[dict[str, Any]]:
    """Return the import contracts as they are configured."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    declared: list[dict[str, Any]] = settings["tool"]["importlinter"]["contracts"]
    return declared


def vocabulary() -> frozenset[str]:
    """Return the words that a module of a context may be named by: those of the import contract, no others."""
    layers = contract("Inside a context, imports point at the domain")
    words = {word.strip("() ") for layer in layers["layers"] for word in layer.split("|")}
    return frozenset(words | set(layers["exhaustive_ignores"]))


def _module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
