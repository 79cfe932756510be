"""The ports of identity in memory."""

from collections import Counter
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from uuid import UUID

from contexts.identity.domain import (
    AccessClaims,
    Account,
    AccountNotFound,
    AddressBook,
    ApiKey,
    ApiKeyNotFound,
    Email,
    EmailTaken,
    InvalidLink,
    InvalidToken,
    Link,
    LinkPurpose,
    LinkRequest,
    PersonKind,
    RefreshToken,
    Staff,
    TokenFamily,
    TooManyFailedLogins,
    WeakPassword,
)
from shared.domain.errors import ExternalAPIError, LostRace
from shared.domain.model import Event, Primitive


@dataclass
class NumberedSecrets:
    """Gives secrets that a test can foretell."""

    numbers: "count[int]" = field(default_factory=lambda: count(1))

    def __call__(self) -> str:
        return f"secret{next(self.numbers)}"


@dataclass
class InMemoryAccounts:
    kept: dict[UUID, Account] = field(default_factory=dict)
    published: list[Event] = field(default_factory=list)

    def get(self, account_id: UUID) -> Account:
        account = self.find(account_id)
        if account is None:
            raise AccountNotFound
        return account

    def find(self, account_id: UUID) -> Account | None:
        return deepcopy(self.kept.get(account_id))

    def find_by_email(self, email: Email) -> Account | None:
        return next((deepcopy(one) for one in self.kept.values() if one.email == email), None)

    def add(self, account: Account) -> None:
        if self.find_by_email(account.email):
            raise EmailTaken
        self._keep(account)

    def save(self, account: Account) -> None:
        if account.id not in self.kept or self.kept[account.id].version != account.version:
            raise LostRace
        account.version += 1
        self._keep(account)

    def _keep(self, account: Account) -> None:
        self.published += [recorded.event for recorded in account.release_events()]
        self.kept[account.id] = deepcopy(account)


@dataclass
class InMemoryTokenFamilies:
    tokens: dict[UUID, tuple[UUID, UUID, RefreshToken]] = field(default_factory=dict)

    def holding(self, digest: str) -> TokenFamily:
        for family_id, account_id, token in self.tokens.values():
            if token.digest == digest:
                return TokenFamily(id=family_id, account_id=account_id, current=self._unspent_of(family_id))
        raise InvalidToken

    def save(self, family: TokenFamily) -> None:
        for token in filter(None, (family.spent, family.current)):
            self.tokens[token.id] = (family.id, family.account_id, token)

    def revoke_all_of(self, account_id: UUID, *, at: datetime) -> None:
        for family_id in {family for family, holder, _ in self.tokens.values() if holder == account_id}:
            family = TokenFamily(id=family_id, account_id=account_id, current=self._unspent_of(family_id))
            family.revoke(at=at)
            self.save(family)

    def forget_expired(self, *, before: datetime, at_most: int) -> int:
        expired = [key for key, (_, _, token) in self.tokens.items() if token.expires_at < before][:at_most]
        for key in expired:
            del self.tokens[key]
        return len(expired)

    def _unspent_of(self, family_id: UUID) -> RefreshToken:
        return next(
            token for family, _, token in self.tokens.values() if family == family_id and token.spent_at is None
        )


@dataclass
class InMemoryApiKeys:
    kept: dict[UUID, ApiKey] = field(default_factory=dict)
    published: list[Event] = field(default_factory=list)
    noted: int = 0

    def get(self, api_key_id: UUID) -> ApiKey:
        if api_key_id not in self.kept:
            raise ApiKeyNotFound
        return deepcopy(self.kept[api_key_id])

    def find_by_key_id(self, key_id: str) -> ApiKey | None:
        return next((deepcopy(key) for key in self.kept.values() if key.key_id == key_id), None)

    def recall_by_key_id(self, key_id: str) -> ApiKey | None:
        return self.find_by_key_id(key_id)

    def unrevoked_named(self, name: str) -> Sequence[ApiKey]:
        return [deepcopy(key) for key in self.kept.values() if key.name == name and key.revoked_at is None]

    def add(self, key: ApiKey) -> None:
        self._keep(key)

    def save(self, key: ApiKey) -> None:
        if key.id not in self.kept or self.kept[key.id].version != key.version:
            raise LostRace
        key.version += 1
        self._keep(key)

    def note_use(self, key: ApiKey, *, at: datetime) -> None:
        if self.kept[key.id].use_is_worth_noting(at=at):
            self.kept[key.id].last_used_at = at
            self.noted += 1

    def _keep(self, key: ApiKey) -> None:
        self.published += [recorded.event for recorded in key.release_events()]
        self.kept[key.id] = deepcopy(key)


@dataclass
class PlainPasswords:
    """Counts its work, which is what must not depend on whether an account exists."""

    worked: int = 0

    def hash(self, password: str) -> str:
        self.worked += 1
        return f"plain:{password}"

    def verify(self, password: str, password_hash: str | None) -> bool:
        return self.hash(password) == password_hash


class ShortPasswordsAreWeak:
    def check(self, password: str, *, email: Email, name: str) -> None:
        if len(password) < 10:
            raise WeakPassword(reasons=["It is too short."])


@dataclass
class PlainAccessTokens:
    lifetime: timedelta = timedelta(minutes=15)

    def issue(self, *, account_id: UUID, kind: PersonKind, at: datetime) -> str:
        return f"{account_id}|{kind}|{(at + self.lifetime).timestamp()}"

    def read(self, token: str, *, at: datetime) -> AccessClaims:
        account_id, _, rest = token.partition("|")
        kind, _, expires_at = rest.partition("|")
        if not expires_at or at.timestamp() >= float(expires_at):
            raise InvalidToken
        return AccessClaims(
            account_id=UUID(account_id),
            kind="staff" if kind == "staff" else "customer",
            expires_at=datetime.fromtimestamp(float(expires_at), tz=UTC),
        )


@dataclass
class InMemoryLinkRequests:
    kept: dict[UUID, LinkRequest] = field(default_factory=dict)

    def add(self, request: LinkRequest) -> None:
        self.kept[request.id] = request

    def find(self, request_id: UUID) -> LinkRequest | None:
        return self.kept.get(request_id)

    def earlier_than(self, request: LinkRequest, *, since: datetime) -> int:
        return sum(
            (one.email, one.purpose) == (request.email, request.purpose) and since <= one.asked_at < request.asked_at
            for one in self.kept.values()
        )

    def forget(self, *, before: datetime) -> int:
        old = [one.id for one in self.kept.values() if one.asked_at < before]
        for request_id in old:
            del self.kept[request_id]
        return len(old)


class PlainLinks:
    def make(self, purpose: LinkPurpose, *, account: Account, at: datetime) -> str:
        expires_at = (at + purpose.lifetime).timestamp()
        return f"{purpose}|{account.id}|{expires_at}|{self.mark_of(purpose, account=account)}"

    def read(self, token: str, *, purpose: LinkPurpose, at: datetime) -> Link:
        said, _, rest = token.partition("|")
        account_id, _, rest = rest.partition("|")
        expires_at, _, mark = rest.partition("|")
        if said != purpose or not mark or at.timestamp() >= float(expires_at):
            raise InvalidLink
        return Link(account_id=UUID(account_id), mark=mark)

    def mark_of(self, purpose: LinkPurpose, *, account: Account) -> str:
        changing = account.password_hash if purpose is LinkPurpose.RESET_PASSWORD else account.email_verified_at
        return f"{account.email.text} {account.is_active} {changing}"


@dataclass
class MailboxOfAll:
    """Keeps the mails by their keys, as whoever gets one twice would; while ``is_down``, it takes none."""

    mails: dict[str, tuple[str, Email, Mapping[str, str]]] = field(default_factory=dict)
    is_down: bool = False

    def send(self, template: str, *, to: Email, values: Mapping[str, str], key: str) -> None:
        if self.is_down:
            raise ExternalAPIError
        self.mails[key] = (template, to, values)


@dataclass
class BegunSagas:
    begun: list[UUID] = field(default_factory=list)

    def __call__(self, *, subject_id: UUID, data: Mapping[str, Primitive]) -> None:
        self.begun.append(subject_id)
        assert not data


@dataclass
class InMemoryAddressBooks:
    kept: dict[UUID, AddressBook] = field(default_factory=dict)

    def of(self, account_id: UUID) -> AddressBook:
        return deepcopy(self.kept.get(account_id) or AddressBook(account_id=account_id))

    def save(self, book: AddressBook) -> None:
        self.kept[book.account_id] = deepcopy(book)


@dataclass
class InMemoryStaffList:
    accounts: InMemoryAccounts
    roles: dict[UUID, frozenset[str]] = field(default_factory=dict)

    def find(self, account_id: UUID) -> Staff | None:
        account = self.accounts.find(account_id)
        if account is None or not account.is_active or not account.is_staff:
            return None
        return Staff(is_superuser=account.is_superuser, roles=self.roles.get(account_id, frozenset()))


@dataclass
class CountingLoginGuard:
    """Lets so many attempts fail for each account and address, and then none."""

    free: int = 5
    failures: Counter[tuple[str, str]] = field(default_factory=Counter)

    def begin(self, *, account: str, address: str) -> None:
        if self.failures[account, address] >= self.free:
            raise TooManyFailedLogins(retry_after=30)
        self.failures[account, address] += 1

    def forgive(self, *, account: str, address: str) -> None:
        del self.failures[account, address]


@dataclass
class PlainSecondFactors:
    """Knows one code for each account that has a second factor; each is good once."""

    codes: dict[UUID, set[str]] = field(default_factory=dict)
    is_enforced: bool = False

    def is_wanted_of(self, account_id: UUID) -> bool:
        return self.is_enforced or account_id in self.codes

    def admits(self, account_id: UUID, code: str) -> bool:
        known = self.codes.get(account_id, set())
        is_right = code in known
        known.discard(code)
        return is_right
