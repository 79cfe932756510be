"""The ports of identity, kept in PostgreSQL."""

from contexts.identity.repositories.accounts import (
    DjangoAccounts,
)
from contexts.identity.repositories.addresses import (
    DjangoAddressBooks,
)
from contexts.identity.repositories.api_keys import (
    KEY_BY_ITS_ID,
    DjangoApiKeys,
)
from contexts.identity.repositories.links import (
    DjangoLinkRequests,
)
from contexts.identity.repositories.records import (
    DjangoOwnRecords,
)
from contexts.identity.repositories.second_factors import (
    OtpSecondFactors,
)
from contexts.identity.repositories.staff import (
    DjangoStaffList,
)
from contexts.identity.repositories.tokens import (
    DjangoTokenFamilies,
)

__all__ = [
    "KEY_BY_ITS_ID",
    "DjangoAccounts",
    "DjangoAddressBooks",
    "DjangoApiKeys",
    "DjangoLinkRequests",
    "DjangoOwnRecords",
    "DjangoStaffList",
    "DjangoTokenFamilies",
    "OtpSecondFactors",
]
