"""Take each guard out by itself and see the tests fail: ``python -m tests.mutation [--changed] [name …]``."""

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.mutation.checkout import snapshot
from tests.mutation.edits import Mutation, UpdateTheMutation
from tests.mutation.mutations import MUTATIONS
from tests.mutation.proof import Proof, complaints_about, proved, read_proof, write_proof, write_table
from tests.mutation.proving import ControlIsRed, check_control, prove
from tests.mutation.regions import digests_of


def main() -> int:
    """Prove the guards, keep the proof, and return 1 when one can be taken out unnoticed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--changed", action="store_true", help="only those that changed since their proof")
    parser.add_argument("names", nargs="*", help="only these")
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - {each.name for each in MUTATIONS}:
        parser.error(f"no such guard: {', '.join(sorted(unknown))}")
    proof = {name: last for name, last in read_proof().items() if name in {each.name for each in MUTATIONS}}
    wanted = [each for each in MUTATIONS if not arguments.names or each.name in arguments.names]
    if arguments.changed:
        wanted = [each for each in wanted if complaints_about(each, proof)]
    if not wanted:
        sys.stdout.write("Nothing changed since the last proof.\n")
        return 0
    started = time.monotonic()
    _prove_all(wanted, proof)
    write_proof(proof)
    write_table(MUTATIONS, proof)
    survivors = [each.name for each in wanted if not proof[each.name].caught]
    sys.stdout.write(
        f"{len(wanted) - len(survivors)} of {len(wanted)} guards proved in {time.monotonic() - started:.0f} s\n"
    )
    return 1 if survivors else 0


def _prove_all(wanted: Sequence[Mutation], proof: Proof) -> None:
    with tempfile.TemporaryDirectory(prefix="mutation-") as directory:
        whole = snapshot(Path(directory))
        for mutation in wanted:
            digests_of(mutation, whole)  # says at once, and not minutes later, that an anchor is gone
        control = check_control(wanted, whole)
        _say("control", f"{len(control.passed)} tests pass on the whole code", control.seconds)
        for mutation in wanted:
            verdict = prove(mutation, whole)
            proof[mutation.name] = proved(mutation, verdict, checkout=whole)
            noticed = f"caught by {len(verdict.by)}: {', '.join(each.split('::')[-1] for each in verdict.by)}"
            _say(mutation.name, noticed if verdict.caught else f"SURVIVED: {verdict.why}", verdict.seconds)


def _say(name: str, text: str, seconds: float) -> None:
    sys.stdout.write(f"{name:<40} {seconds:5.1f} s  {text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (ControlIsRed, UpdateTheMutation) as error:
        sys.exit(str(error))
