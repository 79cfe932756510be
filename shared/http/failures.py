"""Every failure as a problem: the same answer in both APIs, whoever noticed it."""

from collections.abc import Sequence

import structlog
from django.core.exceptions import RequestDataTooBig, SuspiciousOperation
from django.db import InterfaceError, OperationalError
from django.http import Http404, UnreadablePostError

from shared.domain.errors import DatabaseConnectionError, InvalidInputError, OrderlyError
from shared.http.auth import InvalidToken
from shared.http.json import MalformedRequest
from shared.http.problems import Problem, problem_of

_log = structlog.get_logger(__name__)

MAX_BODY = 1024 * 1024  # bytes
NOT_FOUND = Problem(status=404, code="not_found", detail="There is nothing here.")
METHOD_NOT_ALLOWED = Problem(
    status=405, code="method_not_allowed", detail="This address does not know that method; Allow names those it knows."
)
TOO_LARGE = Problem(status=413, code="body_too_large", detail="A body has at most 1 MiB.")
DEFECT = Problem(
    status=500,
    code="internal_error",
    detail="This is our fault, and it has been logged. Tell us the request_id if it persists.",
)


class MissingToken(InvalidToken):
    """Say who you are: send "Authorization: Bearer <access token or API key>"."""


class SelectionRequired(InvalidInputError):
    """Say which ones you mean: name at least one filter, or send "all": true."""


class InvalidValues(Exception):
    """Values of the request that do not fit its schema, each with a JSON pointer (RFC 6901)."""

    def __init__(self, errors: Sequence[dict[str, str]]) -> None:
        super().__init__(f"{len(errors)} invalid values")
        self.errors = errors


def problem_of_failure(error: Exception) -> Problem:
    """Translate any exception; one that nobody foresaw is logged, and says nothing of itself."""
    match error:
        case OrderlyError():
            return problem_of(error)
        case InvalidValues():
            return _of_invalid_values(error)
        case Http404():
            return NOT_FOUND
        case RequestDataTooBig():
            return TOO_LARGE
        case SuspiciousOperation() | UnreadablePostError():
            return problem_of(MalformedRequest(reason="Its head or its body is broken."))
        case OperationalError() | InterfaceError():
            _log.error("database_failed", exc_info=error)
            return problem_of(DatabaseConnectionError())
        case _:
            _log.error("request_failed", exc_info=error)
            return DEFECT


def pointer_to(*path: str | int) -> str:
    """Return the JSON pointer of a place (RFC 6901)."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)


def _of_invalid_values(error: InvalidValues) -> Problem:
    return Problem(
        status=422,
        code="validation_error",
        detail="Some values of the request are missing, unknown or not allowed; see errors.",
        errors=error.errors,
    )
