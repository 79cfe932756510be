"""What can be done by whoever reads the mail to an address."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from contexts.identity.domain import (
    HOUR,
    MAILS_PER_HOUR,
    Account,
    AccountNotFound,
    Email,
    InvalidLink,
    LinkPurpose,
    LinkRequest,
)
from contexts.identity.ports import Accounts, LinkRequests, Links, Mailer, PasswordPolicy, Passwords, TokenFamilies
from shared.domain.ports import Clock, NewId, StartSaga, UnitOfWork

REQUESTS_KEPT_FOR = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class RequestLink:
    """Have a link mailed to an address, should there be an account that has a use for it."""

    requests: LinkRequests
    begin_mailing: StartSaga
    unit_of_work: UnitOfWork
    now: Clock
    new_id: NewId

    def __call__(self, *, email: str, purpose: LinkPurpose) -> None:
        """Store the wish, or raise InvalidEmail.

        Whether there is an account is looked up later and elsewhere, so that neither the answer nor its time tells.
        """
        request = LinkRequest(id=self.new_id(), purpose=purpose, email=Email.parse(email), asked_at=self.now())
        with self.unit_of_work():
            self.requests.add(request)
            self.begin_mailing(subject_id=request.id, data={})


@dataclass(frozen=True, slots=True)
class MailLink:
    """Mail the link that was asked for; made only now, so that its secret is in the mail and nowhere else."""

    requests: LinkRequests
    accounts: Accounts
    links: Links
    mailer: Mailer
    pages: Mapping[LinkPurpose, str]
    now: Clock

    def __call__(self, *, request_id: UUID, key: str) -> None:
        """Send it, unless nobody has a use for it, or enough were sent to that address of late. Calls out."""
        request = self.requests.find(request_id)
        if request is None or self._is_flooding(request):
            return
        account = self.accounts.find_by_email(request.email)
        if account is None or not request.purpose.concerns(account):
            return
        token = self.links.make(request.purpose, account=account, at=self.now())
        link = f"{self.pages[request.purpose]}#token={token}"  # servers are not sent what stands behind the #
        self.mailer.send(request.purpose, to=account.email, values={"link": link, "token": token}, key=key)

    def _is_flooding(self, request: LinkRequest) -> bool:
        return self.requests.earlier_than(request, since=request.asked_at - HOUR) >= MAILS_PER_HOUR


@dataclass(frozen=True, slots=True)
class ConfirmEmail:
    """Prove by a mailed link that one reads the mail to the account's address."""

    accounts: Accounts
    links: Links
    unit_of_work: UnitOfWork
    now: Clock

    def __call__(self, *, token: str) -> None:
        """Note it, or raise InvalidLink."""
        now = self.now()
        with self.unit_of_work():
            account = _holder_of(
                token, LinkPurpose.VERIFY_EMAIL, links=self.links, accounts=self.accounts, now=self.now
            )
            account.verify_email(at=now)
            self.accounts.save(account)


@dataclass(frozen=True, slots=True)
class ResetPassword:
    """Choose a new password by a mailed link, when the old one is forgotten or not safe any more."""

    accounts: Accounts
    token_families: TokenFamilies
    links: Links
    passwords: Passwords
    policy: PasswordPolicy
    unit_of_work: UnitOfWork
    now: Clock

    def __call__(self, *, token: str, password: str) -> None:
        """Change it and end all sessions, or raise InvalidLink or WeakPassword; the address is proved with it."""
        link = self.links.read(token, purpose=LinkPurpose.RESET_PASSWORD, at=self.now())
        known = self.accounts.find(link.account_id)
        if known is None:
            raise InvalidLink
        self.policy.check(password, email=known.email, name=known.name)
        password_hash = self.passwords.hash(password)  # slow on purpose: before the transaction, not in it
        now = self.now()
        with self.unit_of_work():
            account = _holder_of(
                token, LinkPurpose.RESET_PASSWORD, links=self.links, accounts=self.accounts, now=self.now
            )
            account.change_password(password_hash=password_hash, at=now)
            account.verify_email(at=now)
            self.accounts.save(account)
            self.token_families.revoke_all_of(account.id, at=now)


@dataclass(frozen=True, slots=True)
class ForgetLinkRequests:
    """Delete the wishes for links that are a day old, for they hold addresses."""

    requests: LinkRequests
    unit_of_work: UnitOfWork
    now: Clock

    def __call__(self) -> int:
        """Tell how many there were."""
        with self.unit_of_work():
            return self.requests.forget(before=self.now() - REQUESTS_KEPT_FOR)


def _holder_of(token: str, purpose: LinkPurpose, *, links: Links, accounts: Accounts, now: Clock) -> Account:
    """Return the account, locked, whose state is still the one that the link was made for."""
    link = links.read(token, purpose=purpose, at=now())
    try:
        account = accounts.get(link.account_id)
    except AccountNotFound:
        raise InvalidLink from None
    if not account.is_active or links.mark_of(purpose, account=account) != link.mark:
        raise InvalidLink
    return account
