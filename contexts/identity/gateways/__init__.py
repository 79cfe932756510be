"""The ports of identity that libraries and other systems keep."""

from contexts.identity.gateways.access_tokens import (
    SignedAccessTokens,
)
from contexts.identity.gateways.addresses import (
    GoogleAddressRules,
)
from contexts.identity.gateways.links import (
    SignedLinks,
)
from contexts.identity.gateways.log_ins import (
    ValkeyLoginGuard,
)
from contexts.identity.gateways.mail import (
    DjangoMailer,
    MailNotAccepted,
)
from contexts.identity.gateways.passwords import (
    DjangoPasswordPolicy,
    DjangoPasswords,
    OwaspArgon2PasswordHasher,
)
from contexts.identity.gateways.randomness import (
    new_key_id,
    new_recovery_codes,
    new_secret,
)
from contexts.identity.gateways.records import (
    DeclaredRecords,
)

__all__ = [
    "DeclaredRecords",
    "DjangoMailer",
    "DjangoPasswordPolicy",
    "DjangoPasswords",
    "GoogleAddressRules",
    "MailNotAccepted",
    "OwaspArgon2PasswordHasher",
    "SignedAccessTokens",
    "SignedLinks",
    "ValkeyLoginGuard",
    "new_key_id",
    "new_recovery_codes",
    "new_secret",
]
