"""Verifies the audit trail: reads, recomputes and compares, and never writes.

An incremental verification begins at the last checkpoint and finds whatever was done to what came after it, and
to the ends of the chains; a full one trusts no checkpoint and finds what was done to anything.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from shared.audit import chain
from shared.audit.chain import BEFORE_ALL, START, Found, Place
from shared.audit.encoding import Checkpoint, Link, digest_after

Offender = tuple[str, str]

#: The chains of audit_stream that do not hold entries.
SEALS, CHECKPOINTS = 0, -1


def breaks_in_chain(*, full: bool) -> Iterator[Offender]:
    """Yield what is wrong with the audit trail, each with what is wrong with it; read some links at a time.

    What it compares belongs to one moment only inside ``snapshot``. A checkpoint that is wrong is not begun at.
    """
    trusted = not full
    for offender in _broken_checkpoints(all_of_them=full):
        trusted = False
        yield offender
    begin = chain.last_checkpoint() if trusted else None
    yield from _broken_seals(begin)
    for stream in chain.streams():
        yield from _broken_entries(stream, begin)


@dataclass(slots=True)
class Walk:
    """The way along one chain; the link after a gap is taken as it is, so that one break is told once."""

    each: str
    place: Place

    def step(self, found: Found[Link], *, known_as: str) -> Iterator[Offender]:
        """Go on to the next link that was found."""
        if found.number <= self.place.number:
            yield known_as, f"stands at place {found.number}, where none was ever written"
        elif found.number > self.place.number + 1:
            yield self._gap_up_to(found.number - 1)
        elif digest_after(self.place.digest, found.link) != found.digest:
            yield known_as, f"is not what was written at place {found.number}, or does not follow what was before it"
        self.place = Place(number=found.number, digest=found.digest)

    def arrive(self, end: Place | None) -> Iterator[Offender]:
        """Compare where the links end with where the database says that the chain ends."""
        if end == self.place or (end is None and self.place == START):
            return
        if end is None:
            yield self.each, "was cut off from its end, which is missing"
        elif end.number > self.place.number:
            yield self._gap_up_to(end.number)
        else:
            yield self.each, f"goes on to {self.place.number}, but ended otherwise at {end.number}"

    def _gap_up_to(self, last: int) -> Offender:
        first = self.place.number + 1
        return self.each, f"{first} is missing" if first == last else f"{first} to {last} are missing"


def _broken_checkpoints(*, all_of_them: bool) -> Iterator[Offender]:
    last = None if all_of_them else chain.last_checkpoint()
    before = chain.checkpoint_at(last.number - 1) if last is not None else None
    walk = Walk("chain of checkpoints", before or START)
    for found in chain.checkpoints(after=before.number if before else BEFORE_ALL):
        yield from walk.step(found, known_as=f"checkpoint {found.number}")
        yield from _misplaced(found)
    yield from walk.arrive(chain.end_of(CHECKPOINTS))


def _misplaced(found: Found[Checkpoint]) -> Iterator[Offender]:
    seal = Place(number=found.link.seal_sequence, digest=found.link.seal_digest)
    if chain.seal_at(seal.number) != seal:
        yield f"checkpoint {found.number}", f"names seal {seal.number}, which is missing or another one"


def _broken_seals(begin: Found[Checkpoint] | None) -> Iterator[Offender]:
    place = START if begin is None else Place(number=begin.link.seal_sequence, digest=begin.link.seal_digest)
    walk = Walk("chain of seals", place)
    for found in chain.seals(after=BEFORE_ALL if begin is None else place.number):
        yield from walk.step(found, known_as=f"seal {found.number}")
        if found.digest_of_entry != found.link.entry_digest:
            what = "is missing" if found.digest_of_entry is None else "is another one"
            yield f"seal {found.number}", f"seals {_place_in(found.link.stream, found.link.position)}, which {what}"
    yield from walk.arrive(chain.end_of(SEALS))


def _broken_entries(stream: int, begin: Found[Checkpoint] | None) -> Iterator[Offender]:
    place = None if begin is None else chain.sealed_place_of(stream, up_to=begin.link.seal_sequence)
    if place is not None and chain.entry_at(stream, place.number) != place:
        yield _place_in(stream, place.number), "was sealed, and is missing or another one"
    walk = Walk(f"stream {stream}", place or START)
    for found in chain.entries_of(stream, after=BEFORE_ALL if place is None else place.number):
        yield from walk.step(found, known_as=str(found.link.id))
    yield from walk.arrive(chain.end_of(stream))


def _place_in(stream: int, position: int) -> str:
    return f"entry {position} of stream {stream}"
