"""The last proof: kept in proof.json, for the test that asks whether it is current, and in docs for people."""

import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from tests.mutation.checkout import ROOT
from tests.mutation.edits import Mutation
from tests.mutation.proving import Verdict
from tests.mutation.regions import digests_of

PROOF = Path(__file__).with_name("proof.json")
TABLE = ROOT / "docs" / "mutation-proof.md"

INTRODUCTION = """# The mutation proof

Written by `make mutation`: each guard is taken out of a copy of the code by itself, and the tests that cover it run
there. A guard is proved when the test named for it fails on its own claim; an import error proves nothing. The same
tests pass on the whole code first. `make test` fails when a guarded function, class or constant, or the test that
witnesses it, was changed since.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proved:
    """What is kept of the proof of one guard."""

    caught: bool
    why: str
    by: tuple[str, ...]
    seconds: float
    regions: Mapping[str, str]


Proof = dict[str, Proved]


def read_proof(path: Path = PROOF) -> Proof:
    """Return the last proof of each guard; none when there never was one."""
    if not path.exists():
        return {}
    kept = json.loads(path.read_text())
    return {name: Proved(**{**each, "by": tuple(each["by"])}) for name, each in kept.items()}


def proved(mutation: Mutation, verdict: Verdict, *, checkout: Path) -> Proved:
    """Put the verdict together with the code that it is about."""
    return Proved(
        caught=verdict.caught,
        why=verdict.why,
        by=verdict.by,
        seconds=round(verdict.seconds, 1),
        regions=digests_of(mutation, checkout),
    )


def complaints_about(mutation: Mutation, proof: Proof, *, checkout: Path = ROOT) -> list[str]:
    """Say why the guard is not proved for the code as it is; nothing when it is."""
    last = proof.get(mutation.name)
    if last is None:
        return [f"{mutation.name} was never proved"]
    if not last.caught:
        return [f"{mutation.name}: its removal was not noticed: {last.why}"]
    now = digests_of(mutation, checkout)
    return [
        f"{mutation.name}: {region} changed since the proof"
        for region in sorted({*now, *last.regions})
        if now.get(region) != last.regions.get(region)
    ]


def write_proof(proof: Proof, *, path: Path = PROOF) -> None:
    """Keep the proof."""
    path.write_text(json.dumps({name: asdict(proof[name]) for name in sorted(proof)}, indent=2) + "\n")


def write_table(mutations: Sequence[Mutation], proof: Proof, *, path: Path = TABLE) -> None:
    """Write the table for people."""
    known = [each for each in mutations if each.name in proof]
    seconds = sum(proof[each.name].seconds for each in known)
    facts = (
        f"{datetime.now(tz=UTC):%Y-%m-%d}, Python {platform.python_version()}:"
        f" {len([each for each in known if proof[each.name].caught])} of {len(mutations)} guards proved,"
        f" {seconds:.0f} s of tests."
    )
    head = ["| guarantee | guard taken out | noticed by | tests |", "|---|---|---|---|"]
    rows = [f"| {each.guarantee} | {each.name} | {_noticed(each, proof[each.name])} |" for each in known]
    path.write_text("\n".join([INTRODUCTION, facts, "", *head, *rows]) + "\n")


def _noticed(mutation: Mutation, last: Proved) -> str:
    if not last.caught:
        return f"**nobody**: {last.why} | 0".replace("\n", " ")
    witness = mutation.witness[1].split("::")[-1]
    others = sorted({each.split("::")[-1].split("[")[0] for each in last.by} - {witness})
    names = ", ".join([f"**{witness}**", *others])
    return f"{names} | {len(last.by)}"
