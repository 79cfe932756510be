"""Secrets and ids that nobody can guess."""

import secrets

from contexts.identity.domain import KEY_ID_LENGTH


def new_secret() -> str:
    """Return 256 random bits as 43 characters that are safe in URLs."""
    return secrets.token_urlsafe(32)


def new_key_id() -> str:
    """Return the public part of a new API key."""
    return secrets.token_hex(KEY_ID_LENGTH // 2)
