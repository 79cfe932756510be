"""JSON in and out, fast and the same for both APIs."""

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import orjson
from django.http import HttpResponse
from pydantic import BaseModel

from shared.domain.errors import BusinessRuleViolationError
from shared.domain.money import Money

JSON = "application/json"
NO_BODY = (204, 304)


class MalformedRequest(BusinessRuleViolationError):
    """The request cannot be read; see reason."""


def read_json(body: bytes) -> Any:
    """Return what the body says, or raise MalformedRequest.

    I-JSON (RFC 7493): UTF-8, no name twice in one object, no NaN, no lone surrogates. NUL characters are refused
    too, for PostgreSQL cannot store them.
    """
    try:
        data = orjson.loads(body)
        # A colon that stands for no member is one inside a string, or that of a name which stands twice.
        if body.count(b":") != _members_in(data):
            json.loads(body, object_pairs_hook=_once_each)
    except ValueError as error:
        raise MalformedRequest(reason=f"The body is not JSON: {error}") from None
    except RecursionError:
        raise MalformedRequest(reason="The body is nested too deeply.") from None
    if b"\\u0000" in body and _has_nul(data):
        raise MalformedRequest(reason="The body has a NUL character (\\u0000), which cannot be stored.")
    return data


def to_json(data: object) -> bytes:
    """Return the data as JSON: dates in RFC 3339 with ``Z``, money as amount and currency, values by their fields."""
    return orjson.dumps(data, default=_primitive_of, option=orjson.OPT_UTC_Z | orjson.OPT_PASSTHROUGH_DATACLASS)


def json_response(
    data: object,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    content_type: str = JSON,
) -> HttpResponse:
    """Return a response with the data as its JSON body."""
    body = b"" if status in NO_BODY else to_json(data)
    return HttpResponse(body, status=status, headers=dict(headers or {}), content_type=content_type)


def _members_in(data: Any) -> int:
    if isinstance(data, dict):
        return len(data) + sum(map(_members_in, data.values()))
    return sum(map(_members_in, data)) if isinstance(data, list) else 0


def _once_each(members: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(members)
    if len(found) != len(members):
        twice = next(name for name, _ in members if sum(name == other for other, _ in members) > 1)
        raise ValueError(f"the name {twice!r} stands twice in one object")
    return found


def _has_nul(data: Any) -> bool:
    match data:
        case str():
            return "\0" in data
        case dict():
            return any(map(_has_nul, data)) or any(map(_has_nul, data.values()))
        case list():
            return any(map(_has_nul, data))
    return False


def _primitive_of(value: object) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump()
    if isinstance(value, Money):
        return {"amount": value.amount, "currency": value.currency}
    if isinstance(value, frozenset | set):
        return sorted(value)
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    raise TypeError(f"{type(value).__name__} has no JSON form")
