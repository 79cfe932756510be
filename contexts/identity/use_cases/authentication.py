"""Who is calling?"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from contexts.identity.domain import KEY_PREFIX, InvalidToken, Principal, parts_of_key
from contexts.identity.ports import AccessTokens, ApiKeys, StaffList
from shared.domain.ports import Clock


@dataclass(frozen=True, slots=True)
class Authenticate:
    """Find out who presents an access token or an API key."""

    staff: StaffList
    role_scopes: Mapping[str, Iterable[str]]
    api_keys: ApiKeys
    access_tokens: AccessTokens
    now: Clock

    def __call__(self, *, token: str, only_reads: bool = False) -> Principal:
        """Return who it is, or raise InvalidToken; a key that is only to read may be remembered."""
        return self._server(token, only_reads=only_reads) if token.startswith(KEY_PREFIX) else self._person(token)

    def _server(self, token: str, *, only_reads: bool) -> Principal:
        now = self.now()
        key_id, secret = parts_of_key(token)
        key = self.api_keys.recall_by_key_id(key_id) if only_reads else self.api_keys.find_by_key_id(key_id)
        if key is None or not key.admits(secret=secret, at=now):
            raise InvalidToken
        if key.use_is_worth_noting(at=now):
            self.api_keys.note_use(key, at=now)
        return Principal(kind="key", id=key.id, scopes=key.scopes, expires_at=key.expires_at)

    def _person(self, token: str) -> Principal:
        claims = self.access_tokens.read(token, at=self.now())
        if claims.kind == "customer":
            return Principal(kind="customer", id=claims.account_id, expires_at=claims.expires_at)
        # Staff may do too much for a token that outlives a dismissal by minutes: one query more.
        staff = self.staff.find(claims.account_id)
        if staff is None:
            raise InvalidToken
        return Principal(
            kind="staff",
            id=claims.account_id,
            scopes=staff.scopes(self.role_scopes),
            expires_at=claims.expires_at,
        )
