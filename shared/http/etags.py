"""Entity tags from version numbers (RFC 9110, sections 8.8.3 and 13.1)."""

import re

from django.http import HttpRequest

from shared.domain.errors import InvalidInputError

_VERSION_TAG = re.compile(r'^\s*(?:W/)?"v(\d{1,18})"\s*$')


class InvalidIfMatch(InvalidInputError):
    """If-Match has to be the ETag that this resource was last sent with."""

    pointer = "/headers/if-match"


def etag_of(version: int) -> str:
    """Return the strong entity tag of a version."""
    return f'"v{version}"'


def version_in_if_match(request: HttpRequest) -> int | None:
    """Return the version that the client last saw; None when it does not say, or says ``*``."""
    given = request.headers.get("If-Match")
    if given is None or given.strip() == "*":
        return None
    match = _VERSION_TAG.match(given)
    if match is None:
        raise InvalidIfMatch
    return int(match[1])


def is_unchanged(request: HttpRequest, etag: str) -> bool:
    """Tell whether the client's copy, named in If-None-Match, is still good."""
    given = request.headers.get("If-None-Match", "")
    return given.strip() == "*" or etag in [each.strip().removeprefix("W/") for each in given.split(",")]
