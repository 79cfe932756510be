"""No published event changes by accident."""

from collections.abc import Mapping
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import ClassVar

import orjson
import pytest
from django.core.management import CommandError, call_command

from shared.domain.model import Event
from shared.outbox import upcasting
from shared.outbox.schemas import Schema, differences, published_events, schemas_of, write
from shared.outbox.upcasting import upcast
from tests.architecture.source import ROOT, contexts, in_part
from tests.architecture.test_context_map import published_by

KEPT = ROOT / "docs" / "events"
TOPIC = "testing.bell_rung.v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class BellRung(Event):
    """A bell was rung."""

    topic: ClassVar[str] = TOPIC

    title: str
    loud: bool = False


@pytest.fixture
def schemas() -> Mapping[str, Schema]:
    return schemas_of([BellRung])


@pytest.fixture
def kept(tmp_path: Path, schemas: Mapping[str, Schema]) -> Path:
    """Keep the schema in a directory of the test's own."""
    write(schemas, tmp_path)
    return tmp_path


def change(directory: Path, old: str, new: str) -> None:
    """Change the text of the kept file."""
    file = directory / f"{TOPIC}.json"
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new))


class TestPublishedEvents:
    def test_are_as_they_were_published(self) -> None:
        found = differences(schemas_of(published_events()), KEPT)

        assert not found, "\n".join(map(str, found))

    def test_are_all_that_the_contexts_declare(self) -> None:
        declared = {name for context in contexts() for name in published_by(in_part(context, "events"))}

        assert {event_type.__name__ for event_type in published_events()} == declared


class TestDifferences:
    def test_are_none_when_nothing_changed(self, schemas: Mapping[str, Schema], kept: Path) -> None:
        assert list(differences(schemas, kept)) == []

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ('"loud"', '"noisy"'),
            ('"boolean"', '"integer"'),
            ('"default": false', '"default": true'),
            ('"occurred_at",\n    "title"', '"occurred_at"'),
            ('"title": {', '"description": {'),
        ],
    )
    def test_ask_for_a_new_version_when_the_shape_changed(
        self, schemas: Mapping[str, Schema], kept: Path, old: str, new: str
    ) -> None:
        change(kept, old, new)

        (found,) = differences(schemas, kept)

        assert not found.is_harmless
        assert "a published event changed its shape" in str(found)
        assert f"@upcast('{TOPIC}')" in str(found)

    def test_ask_to_write_what_only_has_other_words(self, schemas: Mapping[str, Schema], kept: Path) -> None:
        change(kept, "A bell was rung.", "Somebody rang.")

        (found,) = differences(schemas, kept)

        assert found.is_harmless
        assert str(found) == f"{TOPIC}: only its words changed; run `python manage.py write_event_schemas`"

    def test_ask_to_write_what_is_new(self, schemas: Mapping[str, Schema], tmp_path: Path) -> None:
        (found,) = differences(schemas, tmp_path)

        assert str(found) == f"{TOPIC}: it is new; run `python manage.py write_event_schemas`"

    def test_ask_for_an_upcaster_of_what_nobody_publishes_any_more(
        self, kept: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(upcasting, "_upcasters", {})

        (found,) = differences({}, kept)

        assert "nobody publishes it any more" in str(found)
        upcast(TOPIC)(lambda payload: payload)
        assert list(differences({}, kept)) == []

    def test_of_two_events_with_one_topic_are_refused(self) -> None:
        with pytest.raises(ValueError, match=f"two events are published as {TOPIC}"):
            schemas_of([BellRung, BellRung])


class TestCommand:
    def test_writes_what_the_repository_keeps(self, tmp_path: Path) -> None:
        call_command("write_event_schemas", directory=tmp_path, stdout=StringIO())

        assert {file.name: file.read_text() for file in tmp_path.iterdir()} == {
            file.name: file.read_text() for file in KEPT.glob("*.json")
        }

    def test_overwrites_a_published_shape_only_when_told_that_it_was_not_released(self, tmp_path: Path) -> None:
        call_command("write_event_schemas", directory=tmp_path, stdout=StringIO())
        file = tmp_path / "ordering.order_placed.v1.json"
        original = file.read_bytes()
        changed = orjson.dumps(orjson.loads(original) | {"required": []})
        file.write_bytes(changed)
        said = StringIO()

        with pytest.raises(CommandError, match="1 refused"):
            call_command("write_event_schemas", directory=tmp_path, stdout=said)

        assert said.getvalue().startswith("refused  ordering.order_placed.v1: a published event changed its shape")
        assert file.read_bytes() == changed
        call_command("write_event_schemas", directory=tmp_path, unreleased=True, stdout=StringIO())
        assert file.read_bytes() == original
