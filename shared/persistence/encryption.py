"""Secrets that have to be read again, encrypted before they are stored.

The first of ``settings.ENCRYPTION_KEYS`` encrypts and all decrypt, so that a key can be exchanged while the system
runs. Fernet (github.com/fernet/spec): AES-128-CBC with HMAC-SHA-256.
"""

import base64
from collections.abc import Sequence
from functools import cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings


class CannotDecrypt(RuntimeError):
    """No key of ENCRYPTION_KEYS fits what is stored: put the key that it was encrypted with back at the end."""


def encrypt(content: bytes) -> bytes:
    """Return the content as only this installation can read it."""
    return _cipher(tuple(settings.ENCRYPTION_KEYS)).encrypt(content)


def decrypt(stored: bytes) -> bytes:
    """Return the content, or raise CannotDecrypt."""
    try:
        return _cipher(tuple(settings.ENCRYPTION_KEYS)).decrypt(stored)
    except InvalidToken:
        raise CannotDecrypt(CannotDecrypt.__doc__) from None


@cache
def _cipher(keys: Sequence[str]) -> MultiFernet:
    return MultiFernet([Fernet(base64.urlsafe_b64encode(bytes.fromhex(key))) for key in keys])
