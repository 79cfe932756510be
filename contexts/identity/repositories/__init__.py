"""The ports of identity, kept in PostgreSQL."""

from contexts.identity.repositories.accounts import (
    DjangoAccounts,
)
from contexts.identity.repositories.addresses import (
    DjangoAddressBooks,
)
from contexts.identity.repositories.api_keys import (
    DjangoApiKeys,
)
from contexts.identity.repositories.links import (
    DjangoLinkRequests,
)
from contexts.identity.repositories.records import (
    DjangoOwnRecords,
)
from contexts.identity.repositories.staff import (
    DjangoStaffList,
)
from contexts.identity.repositories.tokens import (
    DjangoTokenFamilies,
)

__all__ = [
    "DjangoAccounts",
    "DjangoAddressBooks",
    "DjangoApiKeys",
    "DjangoLinkRequests",
    "DjangoOwnRecords",
    "DjangoStaffList",
    "DjangoTokenFamilies",
]
