"""What can be done with accounts."""

from dataclasses import dataclass
from uuid import UUID

from contexts.identity.domain import Account, Email, LinkPurpose
from contexts.identity.ports import Accounts, PasswordPolicy, Passwords, TokenFamilies
from contexts.identity.use_cases.links import RequestLink
from shared.domain.errors import VersionMismatch
from shared.domain.ports import Clock, NewId, UnitOfWork


@dataclass(frozen=True, slots=True)
class RegisterCustomer:
    """Open an account for a customer."""

    accounts: Accounts
    passwords: Passwords
    policy: PasswordPolicy
    request_link: RequestLink
    unit_of_work: UnitOfWork
    now: Clock
    new_id: NewId

    def __call__(self, *, email: str, password: str, name: str) -> Account:
        """Return the new account, or raise InvalidEmail, WeakPassword or EmailTaken; a mail asks for a proof."""
        address = Email.parse(email)
        self.policy.check(password, email=address, name=name)
        password_hash = self.passwords.hash(password)  # slow on purpose: before the transaction, not in it
        with self.unit_of_work():
            account = Account.register(
                id=self.new_id(), email=address, name=name, password_hash=password_hash, at=self.now()
            )
            self.accounts.add(account)
            self.request_link(email=address.text, purpose=LinkPurpose.VERIFY_EMAIL)
        return account


@dataclass(frozen=True, slots=True)
class ChangeProfile:
    """Change what the holder of an account tells about themselves."""

    accounts: Accounts
    unit_of_work: UnitOfWork
    now: Clock

    def __call__(self, *, account_id: UUID, name: str, expected_version: int | None = None) -> Account:
        """Return the changed account, or raise VersionMismatch when it is not the expected version any more."""
        with self.unit_of_work():
            account = self.accounts.get(account_id)
            if expected_version not in (None, account.version):
                raise VersionMismatch
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
class EnsureCustomer:
    """See to it that there is a customer with this address, as for a demonstration."""

    accounts: Accounts
    passwords: Passwords
    policy: PasswordPolicy
    unit_of_work: UnitOfWork
    now: Clock
    new_id: NewId

    def __call__(self, *, email: str, password: str, name: str) -> Account:
        """Return the customer's account; a new one has its address proved already, a known one stays as it is."""
        address = Email.parse(email)
        known = self.accounts.find_by_email(address)
        if known:
            return known
        self.policy.check(password, email=address, name=name)
        password_hash = self.passwords.hash(password)
        with self.unit_of_work():
            account = Account.register(
                id=self.new_id(), email=address, name=name, password_hash=password_hash, at=self.now()
            )
            account.verify_email(at=self.now())
            self.accounts.add(account)
        return account
