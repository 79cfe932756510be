"""Entity tags from version numbers (RFC 9110, sections 8.8.3 and 13.1)."""

import re

from django.http import HttpRequest

from shared.domain.errors import InvalidInputError, PreconditionRequiredError
from shared.http.documented import MAX_VALIDATORS

_TAG = re.compile(r'(W/)?"([\x21\x23-\x7e\x80-\xff]*)"')
_LIST = re.compile(rf"\s*{_TAG.pattern}(?:\s*,\s*{_TAG.pattern})*\s*")
_VERSION = re.compile(r"v(\d{1,18})")
NEVER = 0  # no version: they begin at 1


class InvalidIfMatch(InvalidInputError):
    """If-Match has to be the ETag that this resource was last sent with."""

    pointer = "/headers/if-match"


class IfMatchRequired(PreconditionRequiredError):
    """Send If-Match with the ETag that you saw last, so that nobody's change is lost; ``*`` stands for any."""


def etag_of(version: int) -> str:
    """Return the strong entity tag of a version."""
    return f'"v{version}"'


def version_in_if_match(request: HttpRequest) -> int | None:
    """Return the version that the client last saw; None when it does not say, or says ``*``.

    Of a list it is the newest, for who saw that one saw the others replaced. A weak tag, and one of another form,
    matches no version (RFC 9110, section 13.1.1): such a list is version 0. Raises InvalidIfMatch.
    """
    given = request.headers.get("If-Match")
    if given is None or given.strip() == "*":
        return None
    if len(given) > MAX_VALIDATORS or _LIST.fullmatch(given) is None:
        raise InvalidIfMatch
    strong = (_VERSION.fullmatch(tag) for weak, tag in _TAG.findall(given) if not weak)
    return max((int(version[1]) for version in strong if version), default=NEVER)


def version_required(request: HttpRequest) -> int | None:
    """Return the version in If-Match, None for ``*``, or raise IfMatchRequired (RFC 6585, section 3)."""
    if "If-Match" not in request.headers:
        raise IfMatchRequired
    return version_in_if_match(request)


def is_unchanged(request: HttpRequest, etag: str) -> bool:
    """Tell whether the client's copy, named in If-None-Match, is still good (weak comparison)."""
    given = request.headers.get("If-None-Match", "")
    return given.strip() == "*" or etag.removeprefix("W/") in [f'"{tag}"' for _, tag in _TAG.findall(given)]
