"""The JSON Schemas of published events, kept in files, so that no published event changes by accident.

Events are kept for ever and read by others: a change of shape needs a new version, and an upcaster from the old one.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import orjson
from django.apps import apps
from pydantic import TypeAdapter

from shared.domain.model import Event
from shared.outbox.upcasting import has_upcaster

Schema = dict[str, Any]

#: What says nothing of the shape.
WORDS = frozenset({"description", "title"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What is wrong with the file of a topic, and what to do about it."""

    topic: str
    advice: str
    is_harmless: bool  # the file may simply be written

    def __str__(self) -> str:
        return f"{self.topic}: {self.advice}"


def published_events() -> Sequence[type[Event]]:
    """Return the events that the contexts publish, by topic."""
    found = [
        event_type
        for app in apps.get_app_configs()
        if app.name.startswith("contexts.") and find_spec(f"{app.name}.events")
        for event_type in _events_in(f"{app.name}.events")
    ]
    return sorted(found, key=lambda event_type: event_type.topic)


def schemas_of(events: Iterable[type[Event]]) -> Mapping[str, Schema]:
    """Return the JSON Schema of each event by its topic; refuse two events of one topic."""
    schemas: dict[str, Schema] = {}
    for event_type in events:
        if event_type.topic in schemas:
            raise ValueError(f"two events are published as {event_type.topic}; give one another topic")
        schemas[event_type.topic] = TypeAdapter(event_type).json_schema()
    return schemas


def differences(schemas: Mapping[str, Schema], directory: Path) -> Sequence[Difference]:
    """Compare the schemas with the files; the file of an old version stays, for the events of old are of that shape."""
    kept = {path.stem: orjson.loads(path.read_bytes()) for path in directory.glob("*.json")}
    return sorted(_compare(schemas, kept), key=lambda each: each.topic)


def write(schemas: Mapping[str, Schema], directory: Path) -> None:
    """Write one file per topic."""
    directory.mkdir(parents=True, exist_ok=True)
    for topic, schema in schemas.items():
        (directory / f"{topic}.json").write_bytes(orjson.dumps(schema, option=orjson.OPT_INDENT_2) + b"\n")


def _compare(schemas: Mapping[str, Schema], kept: Mapping[str, Schema]) -> Iterator[Difference]:
    write_it = "run `python manage.py write_event_schemas`"
    for topic, schema in schemas.items():
        if topic not in kept:
            yield Difference(topic=topic, advice=f"it is new; {write_it}", is_harmless=True)
        elif _shape_of(schema) != _shape_of(kept[topic]):
            advice = (
                "a published event changed its shape: leave this version as it was, publish the change under the next "
                f"version of the topic, and lead there from here with @upcast({topic!r}); "
                "if it was never released, run `python manage.py write_event_schemas --unreleased`"
            )
            yield Difference(topic=topic, advice=advice, is_harmless=False)
        elif schema != kept[topic]:
            yield Difference(topic=topic, advice=f"only its words changed; {write_it}", is_harmless=True)
    for topic in kept.keys() - schemas.keys():
        if not has_upcaster(topic):
            advice = (
                "nobody publishes it any more and no upcaster leads on from it: write one, "
                f"@upcast({topic!r}), or delete the file if it was never released"
            )
            yield Difference(topic=topic, advice=advice, is_harmless=False)


def _shape_of(schema: Any, *, names_fields: bool = False) -> Any:
    """Return the schema without words; a field may itself be named title or description."""
    if isinstance(schema, dict):
        return {
            key: _shape_of(value, names_fields=not names_fields and key in {"properties", "$defs"})
            for key, value in schema.items()
            if names_fields or key not in WORDS
        }
    return [_shape_of(each) for each in schema] if isinstance(schema, list) else schema


def _events_in(module_name: str) -> Iterator[type[Event]]:
    for value in vars(import_module(module_name)).values():
        is_event = isinstance(value, type) and issubclass(value, Event) and value.__module__ == module_name
        if is_event and "topic" in vars(value):
            yield value
