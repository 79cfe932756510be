from copy import deepcopy
from uuid import UUID

import pytest

from shared.domain.errors import LostRace, VersionMismatch
from shared.domain.model import Aggregate
from tests.shared.builders import switched
from tests.shared.fakes import Shelf


class TestAggregate:
    def test_counts_its_events_from_one_without_gaps(self) -> None:
        lamp = Aggregate(id=UUID(int=1))

        lamp.record(switched(on=True))
        lamp.record(switched(on=False))

        assert [(each.sequence, each.event) for each in lamp.release_events()] == [
            (1, switched(on=True)),
            (2, switched(on=False)),
        ]
        assert lamp.sequence == 2

    def test_releases_each_event_once_and_counts_on_after_it(self) -> None:
        lamp = Aggregate(id=UUID(int=1))
        lamp.record(switched(on=True))
        lamp.release_events()

        lamp.record(switched(on=False))

        assert [each.sequence for each in lamp.release_events()] == [2]
        assert lamp.release_events() == ()

    def test_counts_on_from_where_its_history_ended(self) -> None:
        lamp = Aggregate(id=UUID(int=1), version=7, sequence=41)

        lamp.record(switched(on=True))

        assert [each.sequence for each in lamp.release_events()] == [42]

    def test_is_the_same_only_as_itself(self) -> None:
        lamp = Aggregate(id=UUID(int=1))

        assert lamp != Aggregate(id=UUID(int=1))

    def test_accepts_the_version_that_was_read_or_none_at_all(self) -> None:
        lamp = Aggregate(id=UUID(int=1), version=3)

        lamp.must_be_at(3)
        lamp.must_be_at(None)

    @pytest.mark.parametrize("version", [0, 2, 4])
    def test_refuses_any_other_version(self, version: int) -> None:
        with pytest.raises(VersionMismatch, match="changed by somebody else meanwhile") as refusal:
            Aggregate(id=UUID(int=1), version=3).must_be_at(version)

        assert (refusal.value.code, refusal.value.details) == ("version_mismatch", {"version": 3})


class TestShelf:
    """The fake that all repositories in memory stand on has to be as strict as a database."""

    def test_hands_out_copies(self) -> None:
        shelf: Shelf[Aggregate] = Shelf()
        lamp = Aggregate(id=UUID(int=1))
        shelf.keep(lamp)

        lamp.sequence = 99
        found = shelf.find(lamp.id)
        assert found is not None
        found.sequence = 98

        assert [kept.sequence for kept in shelf] == [0]

    def test_refuses_a_stale_copy(self) -> None:
        shelf: Shelf[Aggregate] = Shelf()
        shelf.keep(Aggregate(id=UUID(int=1)))
        first = shelf.find(UUID(int=1))
        assert first is not None
        second = deepcopy(first)
        shelf.keep(first)

        with pytest.raises(LostRace):
            shelf.keep(second)

    def test_refuses_to_keep_one_twice_as_new(self) -> None:
        shelf: Shelf[Aggregate] = Shelf()
        shelf.keep(Aggregate(id=UUID(int=1)))

        with pytest.raises(LostRace):
            shelf.keep(Aggregate(id=UUID(int=1)))

    def test_keeps_the_events_readable(self) -> None:
        shelf: Shelf[Aggregate] = Shelf()
        lamp = Aggregate(id=UUID(int=1))
        lamp.record(switched(on=True))

        shelf.keep(lamp)

        assert shelf.events == [switched(on=True)]
        assert lamp.release_events() == ()
