"""What can be done with accounts, tokens and keys."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from contexts.identity.domain import (
    KEY_PREFIX,
    Account,
    ApiKey,
    CreatedApiKey,
    Email,
    InvalidCredentials,
    InvalidEmail,
    InvalidToken,
    IssuedTokens,
    Principal,
    RefreshToken,
    Renewal,
    TokenFamily,
    digest_of,
    key_text,
    parts_of_key,
)
from contexts.identity.ports import (
    AccessTokens,
    Accounts,
    ApiKeys,
    NewKeyId,
    NewSecret,
    PasswordPolicy,
    Passwords,
    TokenFamilies,
)
from shared.domain.ports import Clock, NewId, UnitOfWork

ALL_OPS = frozenset({"ops:*"})
FORGOTTEN_AT_ONCE = 5000  # rows


@dataclass(frozen=True, slots=True)
class RegisterCustomer:
    """Open an account for a customer."""

    accounts: Accounts
    passwords: Passwords
    policy: PasswordPolicy
    unit_of_work: UnitOfWork
    now: Clock
    new_id: NewId

    def __call__(self, *, email: str, password: str, name: str) -> Account:
        """Return the new account, or raise InvalidEmail, WeakPassword or EmailTaken."""
        address = Email.parse(email)
        self.policy.check(password, email=address, name=name)
        password_hash = self.passwords.hash(password)  # slow on purpose: before the transaction, not in it
        with self.unit_of_work():
            account = Account.register(
                id=self.new_id(), email=address, name=name, password_hash=password_hash, at=self.now()
            )
            self.accounts.add(account)
        return account


@dataclass(frozen=True, slots=True)
class IssueTokens:
    """Log in with e-mail address and password."""

    accounts: Accounts
    token_families: TokenFamilies
    passwords: Passwords
    access_tokens: AccessTokens
    refresh_lifetime: timedelta
    unit_of_work: UnitOfWork
    now: Clock
    new_id: NewId
    new_secret: NewSecret

    def __call__(self, *, email: str, password: str) -> IssuedTokens:
        """Return a pair of tokens, or raise InvalidCredentials.

        An unknown address takes as long as a wrong password, so that the time tells nobody who has an account.
        """
        account = self._account_of(email)
        is_right = self.passwords.verify(password, account.password_hash if account else None)
        if account is None or not is_right or not account.is_active:
            raise InvalidCredentials
        now, secret = self.now(), self.new_secret()
        family = TokenFamily(
            id=self.new_id(),
            account_id=account.id,
            current=RefreshToken(id=self.new_id(), digest=digest_of(secret), expires_at=now + self.refresh_lifetime),
        )
        with self.unit_of_work():
            self.token_families.save(family)
        return _pair(self.access_tokens, account=account, refresh_token=secret, at=now)

    def _account_of(self, email: str) -> Account | None:
        try:
            return self.accounts.find_by_email(Email.parse(email))
        except InvalidEmail:
            return None


@dataclass(frozen=True, slots=True)
class RefreshTokens:
    """Exchange a refresh token for a new pair."""

    accounts: Accounts
    token_families: TokenFamilies
    access_tokens: AccessTokens
    refresh_lifetime: timedelta
    unit_of_work: UnitOfWork
    now: Clock
    new_id: NewId
    new_secret: NewSecret

    def __call__(self, *, refresh_token: str) -> IssuedTokens:
        """Return the new pair, or raise InvalidToken; a token that was spent before ends its whole family."""
        now, secret, digest = self.now(), self.new_secret(), digest_of(refresh_token)
        successor = RefreshToken(id=self.new_id(), digest=digest_of(secret), expires_at=now + self.refresh_lifetime)
        with self.unit_of_work():
            family = self.token_families.holding(digest)
            account = self.accounts.get(family.account_id)
            if not account.is_active:
                family.revoke(at=now)
            renewal = family.renew(presented=digest, successor=successor, at=now)
            if renewal is Renewal.THEFT_SUSPECTED:
                account.report_reuse(family_id=family.id, at=now)
                self.accounts.save(account)
            self.token_families.save(family)
        if renewal is not Renewal.DONE:  # only now: a refusal inside would undo the revocation, too
            raise InvalidToken
        return _pair(self.access_tokens, account=account, refresh_token=secret, at=now)


@dataclass(frozen=True, slots=True)
class RevokeTokens:
    """Log out: end the family of a refresh token."""

    token_families: TokenFamilies
    unit_of_work: UnitOfWork
    now: Clock

    def __call__(self, *, refresh_token: str) -> None:
        """End it, or raise InvalidToken when the token was never issued."""
        with self.unit_of_work():
            family = self.token_families.holding(digest_of(refresh_token))
            family.revoke(at=self.now())
            self.token_families.save(family)


@dataclass(frozen=True, slots=True)
class EndSessions:
    """Log an account out everywhere, as after a change of its password."""

    accounts: Accounts
    token_families: TokenFamilies
    unit_of_work: UnitOfWork
    now: Clock

    def __call__(self, *, account_id: UUID) -> None:
        """End every token family of the account; its access tokens run out by themselves."""
        with self.unit_of_work():
            account = self.accounts.get(account_id)
            self.token_families.revoke_all_of(account.id, at=self.now())


@dataclass(frozen=True, slots=True)
class ForgetExpiredTokens:
    """Delete refresh tokens that ran out, which nobody can present any more."""

    token_families: TokenFamilies
    unit_of_work: UnitOfWork
    now: Clock

    def __call__(self) -> int:
        """Tell how many there were; some at a time, so that no lock is held for long."""
        forgotten = 0
        while True:
            with self.unit_of_work():
                batch = self.token_families.forget_expired(before=self.now(), at_most=FORGOTTEN_AT_ONCE)
            forgotten += batch
            if batch < FORGOTTEN_AT_ONCE:
                return forgotten


@dataclass(frozen=True, slots=True)
class ChangeProfile:
    """Change what the holder of an account tells about themselves."""

    accounts: Accounts
    unit_of_work: UnitOfWork
    now: Clock

    def __call__(self, *, account_id: UUID, name: str) -> Account:
        """Return the changed account."""
        with self.unit_of_work():
            account = self.accounts.get(account_id)
            account.rename(name=name, at=self.now())
            self.accounts.save(account)
        return account


@dataclass(frozen=True, slots=True)
class EnsureOperator:
    """See to it that there is an operator with this password."""

    accounts: Accounts
    token_families: TokenFamilies
    passwords: Passwords
    policy: PasswordPolicy
    unit_of_work: UnitOfWork
    now: Clock
    new_id: NewId

    def __call__(self, *, email: str, password: str, name: str) -> Account:
        """Return the operator's account; when all is so already, nothing changes."""
        address = Email.parse(email)
        known = self.accounts.find_by_email(address)
        if known and known.is_operator and self.passwords.verify(password, known.password_hash):
            return known
        self.policy.check(password, email=address, name=name)
        password_hash = self.passwords.hash(password)
        with self.unit_of_work():
            account = self._add(address, password_hash, name) if known is None else self.accounts.get(known.id)
            account.password_hash = password_hash
            account.appoint_operator(at=self.now())
            self.accounts.save(account)
            self.token_families.revoke_all_of(account.id, at=self.now())
        return account

    def _add(self, email: Email, password_hash: str, name: str) -> Account:
        account = Account(id=self.new_id(), email=email, name=name, password_hash=password_hash)
        self.accounts.add(account)
        return account


@dataclass(frozen=True, slots=True)
class CreateApiKey:
    """Make a key for another server."""

    api_keys: ApiKeys
    unit_of_work: UnitOfWork
    now: Clock
    new_id: NewId
    new_key_id: NewKeyId
    new_secret: NewSecret

    def __call__(self, *, name: str, scopes: Iterable[str], expires_at: datetime) -> CreatedApiKey:
        """Return the key with the text that opens it, for the only time."""
        with self.unit_of_work():
            secret = self.new_secret()
            key = ApiKey.create(
                id=self.new_id(),
                key_id=self.new_key_id(),
                secret=secret,
                name=name,
                scopes=scopes,
                expires_at=expires_at,
                at=self.now(),
            )
            self.api_keys.add(key)
        return CreatedApiKey(key=key, token=key_text(key_id=key.key_id, secret=secret))


@dataclass(frozen=True, slots=True)
class RevokeApiKey:
    """End a key before its time."""

    api_keys: ApiKeys
    unit_of_work: UnitOfWork
    now: Clock

    def __call__(self, *, api_key_id: UUID) -> None:
        """End it; a revoked key stays revoked."""
        with self.unit_of_work():
            key = self.api_keys.get(api_key_id)
            key.revoke(at=self.now())
            self.api_keys.save(key)


@dataclass(frozen=True, slots=True)
class EnsureApiKey:
    """See to it that whoever sets an installation up holds a good key of this name."""

    api_keys: ApiKeys
    create_api_key: CreateApiKey
    unit_of_work: UnitOfWork
    now: Clock

    def __call__(self, *, name: str, scopes: Iterable[str], expires_at: datetime, kept: str | None = None) -> str:
        """Return the text of the key: the kept one while it is good, else that of a new one in its place."""
        wanted, now = frozenset(scopes), self.now()
        with self.unit_of_work():
            keys = self.api_keys.unrevoked_named(name)
            if kept and any(_opens(key, kept, at=now) and key.scopes == wanted for key in keys):
                return kept
            for key in keys:
                key.revoke(at=now)
                self.api_keys.save(key)
            return self.create_api_key(name=name, scopes=wanted, expires_at=expires_at).token


@dataclass(frozen=True, slots=True)
class Authenticate:
    """Find out who presents an access token or an API key."""

    accounts: Accounts
    api_keys: ApiKeys
    access_tokens: AccessTokens
    now: Clock

    def __call__(self, *, token: str) -> Principal:
        """Return who it is, or raise InvalidToken."""
        return self._server(token) if token.startswith(KEY_PREFIX) else self._person(token)

    def _server(self, token: str) -> Principal:
        now = self.now()
        key_id, secret = parts_of_key(token)
        key = self.api_keys.find_by_key_id(key_id)
        if key is None or not key.admits(secret=secret, at=now):
            raise InvalidToken
        if key.use_is_worth_noting(at=now):
            self.api_keys.note_use(key, at=now)
        return Principal(kind="key", id=key.id, scopes=key.scopes)

    def _person(self, token: str) -> Principal:
        claims = self.access_tokens.read(token, at=self.now())
        if claims.kind == "customer":
            return Principal(kind="customer", id=claims.account_id)
        # Staff may do too much for a token that outlives a dismissal by minutes: one query more.
        account = self.accounts.find(claims.account_id)
        if account is None or not account.is_active or not account.is_staff:
            raise InvalidToken
        return Principal(kind="staff", id=account.id, scopes=ALL_OPS)


def _pair(access_tokens: AccessTokens, *, account: Account, refresh_token: str, at: datetime) -> IssuedTokens:
    return IssuedTokens(
        access_token=access_tokens.issue(account_id=account.id, kind=account.kind, at=at),
        refresh_token=refresh_token,
        expires_in=int(access_tokens.lifetime.total_seconds()),
    )


def _opens(key: ApiKey, text: str, *, at: datetime) -> bool:
    try:
        key_id, secret = parts_of_key(text)
    except InvalidToken:
        return False
    return key.key_id == key_id and key.admits(secret=secret, at=at)
