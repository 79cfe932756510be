"""Passwords, tokens, links, mail and randomness, by Django, Argon2 and PyJWT."""

from contexts.identity.gateways.access_tokens import (
    ALGORITHM,
    ISSUER,
    REMEMBERED_TOKENS,
    SignedAccessTokens,
)
from contexts.identity.gateways.links import (
    SignedLinks,
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
    new_secret,
)

__all__ = [
    "ALGORITHM",
    "ISSUER",
    "REMEMBERED_TOKENS",
    "DjangoMailer",
    "DjangoPasswordPolicy",
    "DjangoPasswords",
    "MailNotAccepted",
    "OwaspArgon2PasswordHasher",
    "SignedAccessTokens",
    "SignedLinks",
    "new_key_id",
    "new_secret",
]
