"""The words of the mutation proof: what is taken out of the code, and which test has to notice."""

from dataclasses import dataclass
from pathlib import Path

#: What a test says that failed on a claim of its own, and not by accident.
CLAIMS = ("AssertionError", "assert ", "DID NOT RAISE")


class UpdateTheMutation(LookupError):
    """What a mutation replaces is not there exactly once: update the mutation in tests/mutation/mutations.py."""


@dataclass(frozen=True, slots=True)
class Edit:
    """One exact replacement in one file; the anchor stands there once."""

    file: str
    anchor: str
    replacement: str = ""

    def changed(self, text: str) -> str:
        """Return the text of the file with the guard taken out, or raise UpdateTheMutation."""
        if (count := text.count(self.anchor)) != 1:
            raise UpdateTheMutation(f"{self.file} has it {count} times: {self.anchor!r}. {UpdateTheMutation.__doc__}")
        return text.replace(self.anchor, self.replacement)

    def apply(self, checkout: Path) -> None:
        """Take the guard out of a copy of the checkout."""
        path = checkout / self.file
        path.write_text(self.changed(path.read_text()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutation:
    """A guard, how to take it out, the tests to run then, and the one that has to fail on it.

    ``witness`` is the file and the name of that test, with its class where the name is there twice; ``seen`` is
    what its failure has to contain, one of them.
    """

    name: str
    guarantee: str
    edits: tuple[Edit, ...]
    tests: tuple[str, ...]
    witness: tuple[str, str]
    seen: tuple[str, ...] = CLAIMS
