"""Access tokens by PyJWT."""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from django.core.exceptions import ImproperlyConfigured

from contexts.identity.domain import AccessClaims, InvalidToken, PersonKind

ISSUER = "orderly"
ALGORITHM = "EdDSA"
LONGEST_TOKEN = 512  # characters; ours have about 330, and longer ones are not worth parsing
REMEMBERED_TOKENS = 4096


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
                claims=AccessClaims(
                    account_id=UUID(claims["sub"]),
                    kind=_kind_of(claims["kind"]),
                    expires_at=datetime.fromtimestamp(int(claims["exp"]), tz=UTC),
                ),
                expires_at=int(claims["exp"]),
            )
        except (jwt.PyJWTError, KeyError, TypeError, ValueError, OverflowError):
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
