"""Passwords by Django and Argon2, access tokens by PyJWT, and randomness."""

import hashlib
import secrets
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import Argon2PasswordHasher, check_password, make_password
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ImproperlyConfigured, ValidationError

from contexts.identity.domain import (
    KEY_ID_LENGTH,
    AccessClaims,
    Email,
    InvalidToken,
    PersonKind,
    WeakPassword,
)

ISSUER = "orderly"
ALGORITHM = "EdDSA"
LONGEST_TOKEN = 512  # characters; ours have about 330, and longer ones are not worth parsing
REMEMBERED_TOKENS = 4096


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


class SignedAccessTokens:
    """JSON Web Tokens (RFC 7519) signed with Ed25519 (RFC 8037)."""

    def __init__(self, *, seeds: Sequence[str], lifetime: timedelta) -> None:
        """Take 32-byte seeds in hex: the first signs, all verify, so that keys can be exchanged."""
        pairs = [_key_pair_of(seed) for seed in seeds]
        if not pairs:
            raise ImproperlyConfigured("JWT_SIGNING_KEYS needs at least one seed: openssl rand -hex 32")
        self._signing = pairs[0]
        self._verifying: Mapping[str, Ed25519PublicKey] = {pair.id: pair.public for pair in pairs}
        self._lifetime = lifetime
        self._remembered = _VerifiedTokens(at_most=REMEMBERED_TOKENS)

    @property
    def lifetime(self) -> timedelta:
        """Return for how long a token is good."""
        return self._lifetime

    def issue(self, *, account_id: UUID, kind: PersonKind, at: datetime) -> str:
        """Return a signed token without personal data."""
        claims = {
            "iss": ISSUER,
            "sub": str(account_id),
            "kind": kind,
            "iat": int(at.timestamp()),
            "exp": int((at + self._lifetime).timestamp()),
        }
        headers = {"kid": self._signing.id}
        return jwt.encode(claims, self._signing.private, algorithm=ALGORITHM, headers=headers)

    def read(self, token: str, *, at: datetime) -> AccessClaims:
        """Return what the token says, or raise InvalidToken."""
        if len(token) > LONGEST_TOKEN or not token.isascii():
            raise InvalidToken
        digest = hashlib.sha256(token.encode()).digest()
        verified = self._remembered.get(digest)
        if verified is None:
            verified = self._verify(token)
            self._remembered.put(digest, verified)
        if at.timestamp() >= verified.expires_at:  # judged at every use, for a remembered token runs out as well
            self._remembered.drop(digest)
            raise InvalidToken
        return verified.claims

    def _verify(self, token: str) -> "_Verified":
        """Check the signature and the form; the time is left to the caller, who asks its own clock."""
        try:
            key = self._verifying[jwt.get_unverified_header(token)["kid"]]
            claims = jwt.decode(
                token,
                key,
                algorithms=[ALGORITHM],
                issuer=ISSUER,
                options={
                    "require": ["iss", "sub", "iat", "exp"],
                    "verify_exp": False,
                    "verify_iat": False,
                },
            )
            return _Verified(
                claims=AccessClaims(account_id=UUID(claims["sub"]), kind=_kind_of(claims["kind"])),
                expires_at=int(claims["exp"]),
            )
        except (jwt.PyJWTError, KeyError, TypeError, ValueError):
            raise InvalidToken from None


@dataclass(frozen=True, slots=True)
class _KeyPair:
    id: str
    private: Ed25519PrivateKey
    public: Ed25519PublicKey


@dataclass(frozen=True, slots=True, kw_only=True)
class _Verified:
    claims: AccessClaims
    expires_at: int  # seconds since the epoch


class _VerifiedTokens:
    """The tokens that this process has verified lately, by their SHA-256.

    Verifying a signature costs about 0.2 ms, and a client sends the same token for a quarter of an hour. Only
    the outcome of the signature check is kept, which can never change; whether the token has run out is
    judged anew at every use. Digests stand for the tokens, so that a dump of the memory gives none away. The
    least recently used goes first.
    """

    def __init__(self, *, at_most: int) -> None:
        self._at_most = at_most
        self._by_digest: OrderedDict[bytes, _Verified] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, digest: bytes) -> _Verified | None:
        with self._lock:
            found = self._by_digest.get(digest)
            if found is not None:
                self._by_digest.move_to_end(digest)
            return found

    def put(self, digest: bytes, verified: _Verified) -> None:
        with self._lock:
            self._by_digest[digest] = verified
            if len(self._by_digest) > self._at_most:
                self._by_digest.popitem(last=False)

    def drop(self, digest: bytes) -> None:
        with self._lock:
            self._by_digest.pop(digest, None)


def new_secret() -> str:
    """Return 256 random bits as 43 characters that are safe in URLs."""
    return secrets.token_urlsafe(32)


def new_key_id() -> str:
    """Return the public part of a new API key."""
    return secrets.token_hex(KEY_ID_LENGTH // 2)


def _key_pair_of(seed: str) -> _KeyPair:
    try:
        private = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(seed))
    except ValueError:
        raise ImproperlyConfigured("JWT_SIGNING_KEYS are 32-byte seeds in hex: openssl rand -hex 32") from None
    public = private.public_key()
    return _KeyPair(hashlib.sha256(public.public_bytes_raw()).hexdigest()[:16], private, public)


def _kind_of(text: object) -> PersonKind:
    if text == "customer":
        return "customer"
    if text == "staff":
        return "staff"
    raise InvalidToken
