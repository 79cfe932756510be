"""Passwords by Django and Argon2."""

from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import Argon2PasswordHasher, check_password, make_password
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError

from contexts.identity.domain import Email, WeakPassword


class OwaspArgon2PasswordHasher(Argon2PasswordHasher):
    """Argon2id as OWASP's Password Storage Cheat Sheet has it: 19 MiB, two passes, one lane.

    Django's own parameters take 100 MiB and a third of a second per log-in, which invites exhaustion.
    """

    memory_cost = 19456  # KiB
    time_cost = 2
    parallelism = 1


class DjangoPasswords:
    """Hashes passwords with the first of ``settings.PASSWORD_HASHERS``."""

    def hash(self, password: str) -> str:
        """Return the password as it is stored."""
        return make_password(password)

    def verify(self, password: str, password_hash: str | None) -> bool:
        """Tell whether the password is the stored one; take as long when there is none."""
        if password_hash is None:
            make_password(password)
            return False
        return check_password(password, password_hash)


class DjangoPasswordPolicy:
    """Asks the validators in ``settings.AUTH_PASSWORD_VALIDATORS``."""

    def check(self, password: str, *, email: Email, name: str) -> None:
        """Raise WeakPassword, with the reasons, when the password is easy to guess."""
        holder: Any = get_user_model()(email=email.text, name=name)
        try:
            validate_password(password, user=holder)
        except ValidationError as error:
            raise WeakPassword(reasons=error.messages) from None
