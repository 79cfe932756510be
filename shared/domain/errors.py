"""The kinds of refusal and failure; a context's own refusals are two-line classes beside what raises them.

The class name in snake case is the stable ``code`` that clients see, its docstring their message, and its
keyword arguments travel with the error as details.
"""

import inspect
import re
from collections.abc import Mapping
from typing import ClassVar

_WORD_START = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


class OrderlyError(Exception):
    """Something went wrong."""

    def __init__(self, **details: object) -> None:
        super().__init__(self.message)
        self.details = details

    @property
    def code(self) -> str:
        """Return the stable slug of this error: its class name in snake case."""
        return _WORD_START.sub("_", type(self).__name__).lower()

    @property
    def message(self) -> str:
        """Return what the reader is told: the docstring of the class."""
        return inspect.getdoc(type(self)) or type(self).__name__

    def __str__(self) -> str:
        details = ", ".join(f"{name}={value}" for name, value in self.details.items())
        return f"{self.message} ({details})" if details else self.message


class DomainError(OrderlyError):
    """The rules of the business do not allow this."""


class EntityNotFoundError(DomainError):
    """There is no such thing, or it is not yours to see."""


class BusinessRuleViolationError(DomainError):
    """A rule of the business forbids this."""


class ConflictError(DomainError):
    """The present state of the thing does not allow this."""


class PermissionDeniedError(DomainError):
    """You are not allowed to do this."""


class NotAuthenticatedError(DomainError):
    """Say who you are: send a valid access token or API key."""


class TooManyRequestsError(DomainError):
    """You have asked too often; ask again after as many seconds as Retry-After says."""


class InvalidInputError(DomainError):
    """A value in the request cannot be accepted."""

    pointer: ClassVar[str] = ""

    # Each fault is a JSON pointer (RFC 6901) with what is wrong there; a refusal of one value is its own fault.
    def __init__(self, *, pointer: str = "", faults: Mapping[str, str] | None = None, **details: object) -> None:
        super().__init__(**details)
        self.at = pointer or self.pointer
        self.faults = faults or ({self.at: self.message} if self.at else {})


class VersionMismatch(ConflictError):
    """It was changed by somebody else meanwhile; load it again and repeat your change."""


class PreconditionRequiredError(DomainError):
    """Say which version of the thing you know."""


class InfrastructureError(OrderlyError):
    """Something that Orderly depends on does not work at the moment; try again later."""


class DatabaseConnectionError(InfrastructureError):
    """The database cannot be reached at the moment; try again later."""


class ExternalAPIError(InfrastructureError):
    """Another system does not answer as it should at the moment; try again later."""


class OutcomeUnknown(ExternalAPIError):
    """The other system may or may not have done what it was asked; it has to be asked again."""


class LostRace(InfrastructureError):
    """Another transaction changed the same data first; the unit of work has to be run again."""
