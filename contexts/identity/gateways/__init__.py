"""Passwords by Django and Argon2, access tokens by PyJWT, and randomness."""

from contexts.identity.gateways.access_tokens import (
    ALGORITHM,
    ISSUER,
    LONGEST_TOKEN,
    REMEMBERED_TOKENS,
    SignedAccessTokens,
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
    "LONGEST_TOKEN",
    "REMEMBERED_TOKENS",
    "DjangoPasswordPolicy",
    "DjangoPasswords",
    "OwaspArgon2PasswordHasher",
    "SignedAccessTokens",
    "new_key_id",
    "new_secret",
]
