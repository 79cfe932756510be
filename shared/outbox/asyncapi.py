"""The AsyncAPI document of the published events: generated from their classes, so that it cannot lag behind.

AsyncAPI 3.0.0 (asyncapi.com/docs/reference/specification/v3.0.0). Payloads are JSON Schema draft 07, which is what its
tools know best.
"""

import inspect
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import TypeAdapter

from shared.domain.model import Event

Document = dict[str, Any]

SCHEMA_FORMAT = "application/schema+json;version=draft-07"
HEADERS: Document = {
    "type": "object",
    "required": ["webhook-id", "webhook-timestamp", "webhook-signature"],
    "properties": {
        "webhook-id": {
            "type": "string",
            "format": "uuid",
            "description": "Id of the event; the same at each repetition, so that it can be told from a new one.",
        },
        "webhook-timestamp": {"type": "string", "description": "When the request was signed, in seconds since 1970."},
        "webhook-signature": {
            "type": "string",
            "description": "Signatures of id, timestamp and body with spaces between: v1,K5oZ… (HMAC-SHA-256).",
        },
        "traceparent": {"type": "string", "description": "W3C Trace Context of the work that the event belongs to."},
    },
}


def asyncapi_of(events: Iterable[type[Event]], *, info: Document) -> Document:
    """Return the document: one channel, one operation and one message per topic."""
    known = {event.topic: event for event in sorted(events, key=lambda event: event.topic)}
    schemas: Document = {}
    messages = {topic: _message_of(event, schemas) for topic, event in known.items()}
    return {
        "asyncapi": "3.0.0",
        "info": info,
        "defaultContentType": "application/json",
        "channels": {topic: _channel_of(event) for topic, event in known.items()},
        "operations": {f"send.{topic}": _operation_of(event) for topic, event in known.items()},
        "components": {"messages": messages, "schemas": {name: schemas[name] for name in sorted(schemas)}},
    }


def _channel_of(event: type[Event]) -> Document:
    return {
        "address": event.topic,
        "title": event.__name__,
        "description": _words_of(event),
        "messages": {event.__name__: {"$ref": f"#/components/messages/{event.topic}"}},
        "tags": [{"name": event.topic.partition(".")[0]}],
    }


def _operation_of(event: type[Event]) -> Document:
    channel = f"#/channels/{event.topic}"
    return {
        "action": "send",
        "channel": {"$ref": channel},
        "messages": [{"$ref": f"{channel}/messages/{event.__name__}"}],
    }


def _message_of(event: type[Event], schemas: Document) -> Document:
    """Describe the request that tells of the event, and put the schemas that it needs beside it."""
    data = TypeAdapter(event).json_schema(ref_template="#/components/schemas/{model}")
    for name, schema in data.pop("$defs", {}).items():
        if schemas.setdefault(name, _in_draft_07(schema)) != _in_draft_07(schema):
            raise ValueError(f"two different facts are named {name}; rename one")
    schemas[event.topic] = _in_draft_07(data)
    return {
        "name": event.topic,
        "title": event.__name__,
        "summary": _words_of(event),
        "contentType": "application/json",
        "headers": {"schemaFormat": SCHEMA_FORMAT, "schema": HEADERS},
        "payload": {
            "schemaFormat": SCHEMA_FORMAT,
            "schema": {
                "type": "object",
                "required": ["type", "timestamp", "data"],
                "properties": {
                    "type": {"type": "string", "const": event.topic},
                    "timestamp": {"type": "string", "format": "date-time", "description": "When it happened, in UTC."},
                    "data": {"$ref": f"#/components/schemas/{event.topic}"},
                },
            },
        },
    }


def _words_of(event: type[Event]) -> str:
    return inspect.cleandoc(event.__doc__ or event.__name__)


def _in_draft_07(schema: Any) -> Any:
    """Return the schema with tuples as draft 07 has them: ``items`` is a list there, and ``prefixItems`` unknown."""
    if isinstance(schema, list):
        return [_in_draft_07(each) for each in schema]
    if not isinstance(schema, Mapping):
        return schema
    translated = {name: _in_draft_07(value) for name, value in schema.items()}
    if "prefixItems" in translated:
        translated["items"] = translated.pop("prefixItems")
        translated["additionalItems"] = False
    return translated
