"""The part of a file that a mutation is about, and its digest: an edit elsewhere in the file does not change it."""

import ast
import hashlib
import textwrap
from pathlib import Path

from tests.mutation.edits import Edit, Mutation, UpdateTheMutation

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def digests_of(mutation: Mutation, checkout: Path) -> dict[str, str]:
    """Return the digests of the mutation, of each region that it guards, and of the test that witnesses the guard."""
    found = {"the mutation": digest(repr(mutation))}
    for edit in mutation.edits:
        name, region = region_around(edit, (checkout / edit.file).read_text())
        found[f"{edit.file}::{name}"] = digest(region)
    file, test = mutation.witness
    found[f"{file}::{test}"] = digest(_function_named(test, file=file, text=(checkout / file).read_text()))
    return found


def region_around(edit: Edit, text: str) -> tuple[str, str]:
    """Return name and text of the innermost function or class around the anchor.

    At module level it is the statement; in a list of constraints or of operations of a migration, the one of them.
    Raises UpdateTheMutation.
    """
    edit.changed(text)
    first = text[: text.index(edit.anchor)].count("\n") + 1
    last = first + edit.anchor.rstrip("\n").count("\n")
    names: list[str] = []
    region: ast.stmt | ast.expr | None = None
    within: list[ast.stmt] = ast.parse(text).body
    while (found := next((each for each in within if _covers(each, first, last)), None)) is not None:
        if region is None or isinstance(found, Definition):
            region = found
        if isinstance(found, Definition):
            names.append(found.name)
        if entry := _entry_in(found, first, last):
            region = entry
            break
        within = [each for each in ast.iter_child_nodes(found) if isinstance(each, ast.stmt)]
    if region is None:
        raise UpdateTheMutation(f"{edit.file}: no statement holds {edit.anchor!r}")
    return ".".join(names) or _name_of(region), _text_of(region, text)


def digest(region: str) -> str:
    """Return a digest of the code: indentation of the whole, blank lines and lines of comment do not count."""
    lines = [line.rstrip() for line in textwrap.dedent(region).splitlines()]
    code = [line for line in lines if line and not line.lstrip().startswith("#")]
    return hashlib.sha256("\n".join(code).encode()).hexdigest()[:16]


def _entry_in(node: ast.stmt, first: int, last: int) -> ast.expr | None:
    match node:
        case ast.Assign(targets=[ast.Name(id="operations" | "constraints")], value=ast.List(elts=entries)):
            return next((each for each in entries if _covers(each, first, last)), None)
        case _:
            return None


def _covers(node: ast.stmt | ast.expr, first: int, last: int) -> bool:
    return _first_line(node) <= first and last <= (node.end_lineno or node.lineno)


def _first_line(node: ast.stmt | ast.expr) -> int:
    decorators = node.decorator_list if isinstance(node, Definition) else []
    return min([node.lineno, *(each.lineno for each in decorators)])


def _text_of(node: ast.stmt | ast.expr, text: str) -> str:
    return "\n".join(text.splitlines()[_first_line(node) - 1 : node.end_lineno])


def _name_of(node: ast.stmt | ast.expr) -> str:
    match node:
        case ast.Assign(targets=[ast.Name(id=name), *_]) | ast.AnnAssign(target=ast.Name(id=name)):
            return name
        case _:
            return "module"


def _function_named(name: str, *, file: str, text: str) -> str:
    *classes, function = name.split("::")
    within = [
        node
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Module | ast.ClassDef) and (not classes or getattr(node, "name", "") == classes[-1])
    ]
    found = [each for node in within for each in node.body if isinstance(each, Definition) and each.name == function]
    if len(found) != 1:
        raise UpdateTheMutation(f"{file} has {len(found)} tests {name}. {UpdateTheMutation.__doc__}")
    return _text_of(found[0], text)
