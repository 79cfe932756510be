"""Read the fields of a request strictly: what is missing, wrong or unknown is refused."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

import orjson

from contexts.payments.simulator.refusals import InvalidRequest, Refusal

MAX_AMOUNT = 10**12
MAX_TEXT = 255


class MalformedJson(Refusal):
    """The body is not a JSON object."""

    status, code = 400, "malformed_json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Payload:
    """The JSON object a client has sent."""

    fields: Mapping[str, Any]

    @classmethod
    def of(cls, *, body: bytes, known: Collection[str]) -> Self:
        """Read the body (an empty one is an empty object), or refuse it."""
        try:
            fields = orjson.loads(body or b"{}")
        except orjson.JSONDecodeError:
            raise MalformedJson from None
        if not isinstance(fields, dict):
            raise MalformedJson
        if unknown := sorted(fields.keys() - set(known)):
            raise InvalidRequest(f"Unknown field: {unknown[0]!r}.")
        return cls(fields=fields)

    def amount(self) -> int:
        """Return the amount in minor units."""
        return self.integer(name="amount", least=1, most=MAX_AMOUNT)

    def currency(self) -> str:
        """Return the ISO 4217 code."""
        value = self.text(name="currency")
        if not re.fullmatch(r"[A-Z]{3}", value):
            raise InvalidRequest("currency must be three capital letters.")
        return value

    def integer(self, *, name: str, least: int, most: int, default: int | None = None) -> int:
        """Return a whole number between the bounds."""
        value = self.fields.get(name, default)
        if type(value) is not int or not least <= value <= most:
            raise InvalidRequest(f"{name} must be an integer from {least} to {most}.")
        return value

    def text(self, *, name: str) -> str:
        """Return a text that is not empty."""
        value = self.optional_text(name=name)
        if value is None:
            raise InvalidRequest(f"{name} is required.")
        return value

    def optional_text(self, *, name: str) -> str | None:
        """Return a text that is not empty, or None if it is absent."""
        value = self.fields.get(name)
        if value is not None and not (isinstance(value, str) and 1 <= len(value) <= MAX_TEXT):
            raise InvalidRequest(f"{name} must be a text of 1 to {MAX_TEXT} characters.")
        return value

    def url(self, *, name: str) -> str:
        """Return an http or https URL."""
        value = self.text(name=name)
        if not is_web_url(value=value):
            raise InvalidRequest(f"{name} must be an http or https URL.")
        return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """The query string of a request."""

    values: Mapping[str, list[str]]

    @classmethod
    def of(cls, *, query: bytes) -> Self:
        """Read the query string; parameters that mean nothing here are left alone."""
        try:
            return cls(values=parse_qs(query.decode("ascii"), keep_blank_values=True, errors="strict"))
        except ValueError:
            raise InvalidRequest("The query string is not valid.") from None

    def integer(self, *, name: str, least: int, most: int, default: int) -> int:
        """Return a whole number between the bounds, or the default if it is absent."""
        text = self.values.get(name, [str(default)])[-1]
        if not re.fullmatch(r"[0-9]{1,18}", text) or not least <= int(text) <= most:
            raise InvalidRequest(f"{name} must be an integer from {least} to {most}.")
        return int(text)

    def optional_text(self, *, name: str) -> str | None:
        """Return the parameter, or None if it is absent."""
        return self.values.get(name, [None])[-1]


def is_web_url(*, value: str) -> bool:
    """Tell whether a webhook can be sent there."""
    try:
        parts = urlsplit(value)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
