"""The AsyncAPI document: of all events, true to what is sent, and as it was last looked at."""

import os
import shutil
import subprocess
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import jsonschema_rs
import orjson
import pytest
from django.test import Client

from contexts.webhooks.client_api.asyncapi import document
from contexts.webhooks.domain import EndpointId
from contexts.webhooks.gateways.sending import body_of
from contexts.webhooks.management.commands.write_asyncapi import FILE, as_text
from contexts.webhooks.ports import Request
from shared.domain.model import Event
from shared.outbox.codec import to_payload
from shared.outbox.schemas import published_events
from tests.architecture.source import ROOT
from tests.shared.fakes import NOON
from tests.webhooks.builders import order_cancelled, order_placed

PARSER = ROOT / ".cache" / "asyncapi" / "node_modules"


def sent(event: Event) -> Any:
    """Return the body of the request that tells of the event."""
    request = Request(
        delivery_id=uuid4(),  # type: ignore[arg-type]
        endpoint_id=EndpointId(uuid4()),
        message_id="1",
        url="",
        secrets=(),
        topic=event.topic,
        occurred_at=NOON,
        payload=to_payload(event),
    )
    return orjson.loads(body_of(request))


def payload_schema(topic: str) -> dict[str, Any]:
    """Return the schema of the message's payload, with all that it refers to."""
    components = document()["components"]
    schema: dict[str, Any] = components["messages"][topic]["payload"]["schema"]
    return schema | {"components": components}


class TestDocument:
    def test_is_served_to_anybody(self) -> None:
        answer = Client().get("/api/v1/asyncapi.json")

        assert answer.status_code == 200
        assert answer.json() == document()
        assert answer.json()["asyncapi"] == "3.0.0"

    def test_is_the_one_that_was_last_looked_at(self) -> None:
        assert as_text() == FILE.read_text(), (
            "look at the difference after `python manage.py write_asyncapi`, and commit it"
        )

    def test_has_every_published_event(self) -> None:
        topics = [event.topic for event in published_events()]

        assert list(document()["channels"]) == topics
        assert list(document()["components"]["messages"]) == topics

    @pytest.mark.parametrize("build", [order_placed, order_cancelled])
    def test_describes_what_is_sent(self, build: Callable[[UUID], Event]) -> None:
        event = build(uuid4())
        validator = jsonschema_rs.Draft7Validator(payload_schema(event.topic), validate_formats=True)
        body = sent(event)

        assert [error.message for error in validator.iter_errors(body)] == []
        assert not validator.is_valid(body | {"type": "ordering.other.v1"})
        assert not validator.is_valid(body | {"data": body["data"] | {"lines": [["ESP-250", "two"]]}})

    @pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
    @pytest.mark.skipif(not PARSER.is_dir(), reason="`make asyncapi` has not installed AsyncAPI's parser")
    def test_is_taken_by_the_parser_of_asyncapi(self) -> None:
        done = subprocess.run(
            ["node", str(ROOT / "tests" / "webhooks" / "parse_asyncapi.cjs"), str(FILE)],
            env=os.environ | {"NODE_PATH": str(PARSER)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
