"""Identity without a database: all its use cases around one set of fakes."""

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

from contexts.identity.domain import Account, IssuedTokens, LinkPurpose
from contexts.identity.use_cases import (
    Authenticate,
    ChangePassword,
    ChangeProfile,
    ConfirmEmail,
    CreateApiKey,
    EndSessions,
    EnsureApiKey,
    EnsureCustomer,
    EnsureOperator,
    ForgetExpiredTokens,
    ForgetLinkRequests,
    IssueTokens,
    MailLink,
    RefreshTokens,
    RegisterCustomer,
    RequestLink,
    ResetPassword,
    RevokeApiKey,
    RevokeTokens,
    RotateApiKey,
)
from shared.persistence.identifiers import new_id
from tests.identity.builders import NOW, PASSWORD, an_account
from tests.identity.fakes import (
    BegunSagas,
    CountingLoginGuard,
    InMemoryAccounts,
    InMemoryApiKeys,
    InMemoryLinkRequests,
    InMemoryStaffList,
    InMemoryTokenFamilies,
    MailboxOfAll,
    NumberedSecrets,
    PlainAccessTokens,
    PlainLinks,
    PlainPasswords,
    PlainSecondFactors,
    ShortPasswordsAreWeak,
)
from tests.shared.fakes import InMemoryAuditTrail, SettableClock

MONTH = timedelta(days=30)
PAGES = {purpose: f"https://shop.example/{purpose}" for purpose in LinkPurpose}


@dataclass
class Identity:
    """All use cases around one set of fakes."""

    accounts: InMemoryAccounts = field(default_factory=InMemoryAccounts)
    families: InMemoryTokenFamilies = field(default_factory=InMemoryTokenFamilies)
    keys: InMemoryApiKeys = field(default_factory=InMemoryApiKeys)
    passwords: PlainPasswords = field(default_factory=PlainPasswords)
    policy: ShortPasswordsAreWeak = field(default_factory=ShortPasswordsAreWeak)
    access: PlainAccessTokens = field(default_factory=PlainAccessTokens)
    link_requests: InMemoryLinkRequests = field(default_factory=InMemoryLinkRequests)
    links: PlainLinks = field(default_factory=PlainLinks)
    mailbox: MailboxOfAll = field(default_factory=MailboxOfAll)
    mailing: BegunSagas = field(default_factory=BegunSagas)
    guard: CountingLoginGuard = field(default_factory=CountingLoginGuard)
    second_factors: PlainSecondFactors = field(default_factory=PlainSecondFactors)
    audit: InMemoryAuditTrail = field(default_factory=InMemoryAuditTrail)
    clock: SettableClock = field(default_factory=lambda: SettableClock(NOW))
    secrets: NumberedSecrets = field(default_factory=NumberedSecrets)

    def __post_init__(self) -> None:
        self.staff = InMemoryStaffList(self.accounts)
        self.request_link = RequestLink(self.link_requests, self.mailing, nullcontext, self.clock, new_id)
        self.mail_link = MailLink(self.link_requests, self.accounts, self.links, self.mailbox, PAGES, self.clock)
        self.confirm_email = ConfirmEmail(self.accounts, self.links, nullcontext, self.clock)
        self.reset_password = ResetPassword(
            self.accounts, self.families, self.links, self.passwords, self.policy, nullcontext, self.clock
        )
        self.forget_link_requests = ForgetLinkRequests(self.link_requests, nullcontext, self.clock)
        self.register = RegisterCustomer(
            self.accounts, self.passwords, self.policy, self.request_link, nullcontext, self.clock, new_id
        )
        log_in_parts = (self.access, MONTH, nullcontext, self.clock, new_id, self.secrets)
        self.issue_tokens = IssueTokens(
            self.accounts, self.families, self.passwords, self.guard, self.second_factors, *log_in_parts
        )
        self.change_password = ChangePassword(
            self.accounts, self.families, self.passwords, self.guard, self.policy, *log_in_parts
        )
        self.refresh = RefreshTokens(self.accounts, self.families, *log_in_parts)
        self.log_out = RevokeTokens(self.families, nullcontext, self.clock)
        self.end_sessions = EndSessions(self.accounts, self.families, nullcontext, self.clock)
        self.forget = ForgetExpiredTokens(self.families, nullcontext, self.clock)
        self.change_profile = ChangeProfile(self.accounts, nullcontext, self.clock)
        self.ensure_operator = EnsureOperator(
            self.accounts, self.families, self.passwords, self.policy, nullcontext, self.clock, new_id
        )
        self.ensure_customer = EnsureCustomer(
            self.accounts, self.passwords, self.policy, nullcontext, self.clock, new_id
        )
        self.create_key = CreateApiKey(
            self.keys, nullcontext, self.clock, new_id, lambda: new_id().hex[-12:], self.secrets, self.audit
        )
        self.revoke_key = RevokeApiKey(self.keys, nullcontext, self.clock, self.audit)
        self.rotate_key = RotateApiKey(self.keys, self.create_key, nullcontext, self.clock, self.audit)
        self.ensure_key = EnsureApiKey(self.keys, self.create_key, nullcontext, self.clock)
        self.authenticate = Authenticate(self.staff, {"viewer": ["ops:*:read"]}, self.keys, self.access, self.clock)

    def log_in(self, *, email: str, password: str, address: str = "192.0.2.1") -> IssuedTokens:
        return self.issue_tokens(email=email, password=password, address=address)

    def holds(self, account: Account) -> Account:
        self.accounts.add(account)
        return account

    def deactivate(self, account_id: UUID) -> None:
        self.accounts.kept[account_id].is_active = False

    def logged_in(self, **account: object) -> IssuedTokens:
        self.holds(an_account(**account))
        return self.log_in(email="ada@example.com", password=PASSWORD)

    def mail_all(self) -> list[Mapping[str, str]]:
        """Send the mails that were asked for since the last time; return what they say."""
        sent = len(self.mailbox.mails)
        for request_id in self.mailing.begun:
            self.mail_link(request_id=request_id, key=str(request_id))
        self.mailing.begun.clear()
        return [values for _, _, values in list(self.mailbox.mails.values())[sent:]]
