"""The ports of identity, kept in PostgreSQL."""

from contexts.identity.repositories.accounts import (
    EMAIL_CONSTRAINTS,
    DjangoAccounts,
)
from contexts.identity.repositories.api_keys import (
    DjangoApiKeys,
)
from contexts.identity.repositories.links import (
    DjangoLinkRequests,
)
from contexts.identity.repositories.tokens import (
    DjangoTokenFamilies,
)

__all__ = [
    "EMAIL_CONSTRAINTS",
    "DjangoAccounts",
    "DjangoApiKeys",
    "DjangoLinkRequests",
    "DjangoTokenFamilies",
]
