"""What can be done with the tokens of people: log in, renew, log out."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from contexts.identity.domain import (
    Account,
    AccountNotActive,
    Email,
    InvalidCredentials,
    InvalidEmail,
    InvalidToken,
    IssuedTokens,
    RefreshToken,
    Renewal,
    SecondFactorNeeded,
    TokenFamily,
    WrongPassword,
    digest_of,
)
from contexts.identity.ports import (
    AccessTokens,
    Accounts,
    LoginGuard,
    NewSecret,
    PasswordPolicy,
    Passwords,
    SecondFactors,
    TokenFamilies,
)
from shared.domain.ports import Clock, NewId, UnitOfWork

FORGOTTEN_AT_ONCE = 5000  # rows


@dataclass(frozen=True, slots=True)
class IssueTokens:
    """Log in with e-mail address and password."""

    accounts: Accounts
    token_families: TokenFamilies
    passwords: Passwords
    guard: LoginGuard
    second_factors: SecondFactors
    access_tokens: AccessTokens
    refresh_lifetime: timedelta
    unit_of_work: UnitOfWork
    now: Clock
    new_id: NewId
    new_secret: NewSecret

    def __call__(self, *, email: str, password: str, address: str, otp: str = "") -> IssuedTokens:
        """Return a pair of tokens, or raise InvalidCredentials, TooManyFailedLogins or, for staff, SecondFactorNeeded.

        An unknown address takes as long as a wrong password, so that the time tells nobody who has an account.
        """
        named = email.strip().lower()
        self.guard.begin(account=named, address=address)
        account = self._account_of(email)
        is_right = self.passwords.verify(password, account.password_hash if account else None)
        if account is None or not is_right or not account.is_active:
            raise InvalidCredentials
        if account.is_staff and not self._has_second_factor(account, otp):
            raise SecondFactorNeeded
        now, secret = self.now(), self.new_secret()
        family = TokenFamily.begin(
            id=self.new_id(),
            account_id=account.id,
            token_id=self.new_id(),
            secret=secret,
            expires_at=now + self.refresh_lifetime,
        )
        with self.unit_of_work():
            if self.accounts.get(account.id).password_hash != account.password_hash:
                raise InvalidCredentials  # changed while it was checked: that change ends this session as well
            self.token_families.save(family)
        self.guard.forgive(account=named, address=address)
        return _pair(self.access_tokens, account=account, refresh_token=secret, at=now)

    def _has_second_factor(self, account: Account, otp: str) -> bool:
        return not self.second_factors.is_wanted_of(account.id) or self.second_factors.admits(account.id, otp)

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
class ChangePassword:
    """Change the own password, which takes the old one, and log out everywhere else."""

    accounts: Accounts
    token_families: TokenFamilies
    passwords: Passwords
    guard: LoginGuard
    policy: PasswordPolicy
    access_tokens: AccessTokens
    refresh_lifetime: timedelta
    unit_of_work: UnitOfWork
    now: Clock
    new_id: NewId
    new_secret: NewSecret

    def __call__(self, *, account_id: UUID, current_password: str, password: str, address: str) -> IssuedTokens:
        """Return the only pair of tokens that is good from now on.

        Raises WrongPassword, WeakPassword, or TooManyFailedLogins: a stolen access token is no licence to guess.
        """
        known = self.accounts.find(account_id)
        if known is None or not known.is_active:
            raise AccountNotActive
        self.guard.begin(account=known.email.text, address=address)
        if not self.passwords.verify(current_password, known.password_hash):
            raise WrongPassword
        self.guard.forgive(account=known.email.text, address=address)
        self.policy.check(password, email=known.email, name=known.name)
        password_hash = self.passwords.hash(password)  # slow on purpose: before the transaction, not in it
        now, secret = self.now(), self.new_secret()
        family = TokenFamily.begin(
            id=self.new_id(),
            account_id=account_id,
            token_id=self.new_id(),
            secret=secret,
            expires_at=now + self.refresh_lifetime,
        )
        with self.unit_of_work():
            account = self.accounts.get(account_id)
            if account.password_hash != known.password_hash:
                raise WrongPassword  # somebody was faster
            account.change_password(password_hash=password_hash, at=now)
            self.accounts.save(account)
            self.token_families.revoke_all_of(account_id, at=now)
            self.token_families.save(family)
        return _pair(self.access_tokens, account=account, refresh_token=secret, at=now)


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


def _pair(access_tokens: AccessTokens, *, account: Account, refresh_token: str, at: datetime) -> IssuedTokens:
    return IssuedTokens(
        access_token=access_tokens.issue(account_id=account.id, kind=account.kind, at=at),
        refresh_token=refresh_token,
        expires_in=int(access_tokens.lifetime.total_seconds()),
    )
