"""What must not get into the audit trail: what is in it can never be removed."""

import re
from collections.abc import Mapping
from typing import Any

from shared.domain.model import Primitive

#: Words that a key may not contain: personal data (GDPR, article 4) and secrets.
FORBIDDEN = frozenset(
    {
        "address",
        "birthday",
        "card",
        "email",
        "firstname",
        "iban",
        "ip",
        "key",
        "lastname",
        "mail",
        "name",
        "password",
        "phone",
        "postcode",
        "secret",
        "street",
        "surname",
        "token",
        "username",
    }
)

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


def recordable(value: Primitive) -> Any:
    """Return the value as plain JSON; raise ValueError for fractions and for keys that speak of persons or secrets."""
    if isinstance(value, Mapping):
        return {_checked_key(key): recordable(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [recordable(each) for each in value]
    if isinstance(value, str):
        return checked_text(value)
    if value is None or isinstance(value, int):
        return value
    raise ValueError(f"the audit trail takes texts, whole numbers, booleans and null, not {type(value).__name__}")


def checked_text(text: str) -> str:
    """Return the text; raise ValueError unless PostgreSQL can store it: well-formed Unicode without U+0000."""
    if "\0" in text:
        raise ValueError("the audit trail cannot keep a text with U+0000")
    text.encode()
    return text


def _checked_key(key: object) -> str:
    if not isinstance(key, str):
        raise ValueError(f"the audit trail takes texts as keys, not {type(key).__name__}")
    for word in _WORD.findall(key):
        if {word.lower().removesuffix(ending) for ending in ("", "s", "es")} & FORBIDDEN:
            raise ValueError(f"{key!r} may be personal or secret; what is in the audit trail can never be removed")
    return checked_text(key)
