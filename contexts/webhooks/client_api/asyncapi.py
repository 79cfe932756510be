"""The document that describes the events."""

from functools import cache
from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja import Router

from shared.http.json import json_response
from shared.http.schemas import problems
from shared.outbox.asyncapi import Document, asyncapi_of
from shared.outbox.schemas import published_events

router = Router(tags=["events"])

INFO: Document = {
    "title": "Orderly events",
    "version": "1.0.0",
    "description": (
        "What happened, for other servers: sent to webhook endpoints as Standard Webhooks describes it, and listed by "
        "`GET /api/v1/events`. A published event never changes its shape; a change is a new version of its topic."
    ),
    "license": {"name": "MIT"},
}


@router.get(
    "/asyncapi.json",
    auth=None,
    response={200: dict[str, Any], **problems(422, 503)},
    operation_id="get_asyncapi_document",
    summary="Get the AsyncAPI document",
)
def asyncapi(request: HttpRequest) -> HttpResponse:  # noqa: ARG001 - Ninja's signature
    """Get the AsyncAPI 3 document of all events."""
    return json_response(document(), headers={"Cache-Control": "public, max-age=300"})


@cache
def document() -> Document:
    """Return the document of the events that this version of the code publishes."""
    return asyncapi_of(published_events(), info=INFO)
