"""Keeps secrets and personal data out of the logs, by the names they stand under and by what they look like.

The last processor before a line is written, so that it sees what others have made: messages, causes and tracebacks.
A name is enough for a value to go; patterns find what slipped into a text, such as the row in an error of PostgreSQL.
OWASP, "Logging Cheat Sheet", "Data to exclude".
"""

import re
from collections.abc import Mapping, MutableMapping
from typing import Any, Final

REDACTED: Final = "[redacted]"
SHORTEST: Final = 6  # characters of a text that could hold something
DEEPEST: Final = 6  # levels of a nested value; nobody reads what lies deeper

#: A value goes when one of the words of its name is one of these: ``refresh_token``, ``shipping_address``.
SECRET_WORDS: Final = frozenset(
    """
    address addresses authorization card cookie cookies csrf cvc cvv email emails iban key keys pan passphrase passwd
    password passwords phone pin recipient recipients secret secrets seed seeds sessionid signature token tokens
    """.split()
)
#: Ours, of a fixed form; not searched for patterns.
HARMLESS: Final = frozenset(
    "actor causation_id code correlation_id duration_ms level logger request_id span_id timestamp trace_id".split()
)

_WORDS: Final = re.compile(r"[A-Z]?[a-z]+|[A-Z]+|\d+")
_PATTERN: Final = re.compile(
    r"""
      \bok_(?P<id>[0-9a-f]{12})_[\w-]+                                   # our API keys; their id may be told
    | \beyJ[\w-]+\.[\w-]+\.[\w-]+                                        # JSON Web Tokens
    | \b(?i:bearer|basic)\s+[\w.~+/=-]{8,}                               # Authorization
    | \b(?:whsec|tok|pm|sk|rk)_[\w+/=-]{6,}                              # of webhooks and payment providers
    | (?<=://)[^\s/@:]*:[^\s/@]+(?=@)                                    # user and password in a URL
    | (?<![\w.+-])[\w.+-]+(?:@|%40)[\w-]+(?:\.[\w-]+)+                   # e-mail addresses, also in a query
    | (?<![\w.-])(?P<digits>\d(?:[ -]?\d){12,18})(?![\w.-])              # card numbers
    | (?<![\w/-])(?=[\w-]*[a-z])(?=[\w-]*[A-Z])[\w-]{43}(?![\w/-])       # 256 random bits, as we write them
    """,
    re.VERBOSE,
)


def redact(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Black out what nobody may read in a log; a processor of structlog."""
    for name, value in event.items():
        if name not in HARMLESS:
            event[name] = _clean(name, value, DEEPEST)
    return event


def _clean(name: str, value: Any, depth: int) -> Any:
    if _is_secret(name) and value not in (None, "", True, False):
        return REDACTED
    match value:
        case str() if len(value) < SHORTEST:
            return value
        case str():
            return _PATTERN.sub(_blacked_out, value)
        case bytes():
            return _clean(name, value.decode(errors="replace"), depth)
        case bool() | int() | float() | None:
            return value
        case _ if depth == 0:
            return REDACTED
        case Mapping():
            return {str(key): _clean(str(key), each, depth - 1) for key, each in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_clean("", each, depth - 1) for each in value]
        case _:
            return _PATTERN.sub(_blacked_out, str(value))


def _is_secret(name: str) -> bool:
    known = _known.get(name)
    if known is None:
        known = not SECRET_WORDS.isdisjoint(word.lower() for word in _WORDS.findall(name))
        if len(_known) < MOST_NAMES:
            _known[name] = known
    return known


MOST_NAMES: Final = 1000
_known: dict[str, bool] = {}


def _blacked_out(found: re.Match[str]) -> str:
    if found["id"]:
        return f"ok_{found['id']}_{REDACTED}"
    if found["digits"] and not _is_card_number(found["digits"]):
        return found[0]
    return REDACTED


def _is_card_number(text: str) -> bool:
    """Tell whether the digits have the check digit of a card (ISO/IEC 7812-1, annex B: Luhn)."""
    digits = [int(digit) for digit in reversed(text) if digit.isdigit()]
    doubled = [each * 2 - 9 * (each > 4) for each in digits[1::2]]
    return any(digits) and (sum(digits[::2]) + sum(doubled)) % 10 == 0
