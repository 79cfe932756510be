"""Secrets and ids that nobody can guess."""

import secrets

from contexts.identity.domain import KEY_ID_LENGTH

RECOVERY_CODES = 10
LEGIBLE = "abcdefghjkmnpqrstuvwxyz23456789"  # no letters and digits that look alike


def new_secret() -> str:
    """Return 256 random bits as 43 characters that are safe in URLs."""
    return secrets.token_urlsafe(32)


def new_key_id() -> str:
    """Return the public part of a new API key."""
    return secrets.token_hex(KEY_ID_LENGTH // 2)


def new_recovery_codes() -> list[str]:
    """Return ten codes of 50 random bits, in two groups of five."""
    codes = ("".join(secrets.choice(LEGIBLE) for _ in range(10)) for _ in range(RECOVERY_CODES))
    return [f"{code[:5]}-{code[5:]}" for code in codes]
