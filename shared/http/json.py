"""JSON out, fast and the same for both APIs."""

from collections.abc import Mapping
from typing import Any

import orjson
from django.http import HttpResponse
from pydantic import BaseModel

from shared.domain.money import Money


def to_json(data: object) -> bytes:
    """Return the data as JSON; dates in RFC 3339 with ``Z``, money as amount and currency."""
    return orjson.dumps(data, default=_primitive_of, option=orjson.OPT_UTC_Z | orjson.OPT_PASSTHROUGH_DATACLASS)


def json_response(
    data: object,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    content_type: str = "application/json",
) -> HttpResponse:
    """Return a response with the data as its JSON body."""
    body = b"" if status == 204 else to_json(data)
    return HttpResponse(body, status=status, headers=dict(headers or {}), content_type=content_type)


def _primitive_of(value: object) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump()
    if isinstance(value, Money):
        return {"amount": value.amount, "currency": value.currency}
    if isinstance(value, frozenset | set):
        return sorted(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")
