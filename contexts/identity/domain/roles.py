"""What members of staff are to the shop, and may therefore do."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from shared.domain.errors import ConflictError

ALL_OPS = frozenset({"ops:*"})
ADMIN_ROLE = "admin"


class EmailNotVerified(ConflictError):
    """Nobody has proved yet to read the mail to this address; an account becomes staff once they have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Staff:
    """An active member of staff, and the names of their roles."""

    is_superuser: bool
    roles: frozenset[str]

    def scopes(self, granted: Mapping[str, Iterable[str]]) -> frozenset[str]:
        """Return what the roles grant together; one that is not in the table grants nothing."""
        if self.is_superuser:
            return ALL_OPS
        return frozenset(scope for role in self.roles for scope in granted.get(role, ()))
