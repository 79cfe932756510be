"""The composition root of identity: ready use cases."""

from django.conf import settings
from django.utils import timezone

from contexts.identity.domain import LinkPurpose
from contexts.identity.gateways import (
    DeclaredRecords,
    DjangoMailer,
    DjangoPasswordPolicy,
    DjangoPasswords,
    GoogleAddressRules,
    SignedAccessTokens,
    SignedLinks,
    ValkeyLoginGuard,
    new_key_id,
    new_secret,
)
from contexts.identity.repositories import (
    DjangoAccounts,
    DjangoAddressBooks,
    DjangoApiKeys,
    DjangoLinkRequests,
    DjangoOwnRecords,
    DjangoStaffList,
    DjangoTokenFamilies,
    OtpSecondFactors,
)
from contexts.identity.sagas import MailingLink
from contexts.identity.use_cases import (
    AddAddress,
    Authenticate,
    ChangeAddress,
    ChangePassword,
    ChangeProfile,
    ConfirmEmail,
    CreateApiKey,
    EndSessions,
    EnsureApiKey,
    EnsureCustomer,
    EnsureOperator,
    EraseCustomer,
    ExportPersonalData,
    FinishErasures,
    ForgetExpiredTokens,
    ForgetLinkRequests,
    IssueTokens,
    MailLink,
    RefreshTokens,
    RegisterCustomer,
    RemoveAddress,
    RequestLink,
    ResetPassword,
    RevokeApiKey,
    RevokeTokens,
    RotateApiKey,
)
from shared.audit.trail import record_change
from shared.cache.valkey import ValkeyCache
from shared.persistence.identifiers import new_id
from shared.persistence.unit_of_work import atomic
from shared.resilience.attempts import SharedAttempts
from shared.resilience.brief_valkey import BriefValkey
from shared.saga.registry import register

accounts = DjangoAccounts()
token_families = DjangoTokenFamilies()
api_keys = DjangoApiKeys(ValkeyCache(name="api_keys", url=settings.REDIS_URL, patience=0))
link_requests = DjangoLinkRequests()
own_records = DjangoOwnRecords()
staff = DjangoStaffList()
second_factors = OtpSecondFactors()
others_records = DeclaredRecords()
address_books = DjangoAddressBooks()
address_rules = GoogleAddressRules()
links = SignedLinks()
passwords = DjangoPasswords()
login_guard = ValkeyLoginGuard(
    SharedAttempts(BriefValkey(settings.REDIS_URL, complaint="failed_log_ins_are_not_counted"))
)
policy = DjangoPasswordPolicy()
access_tokens = SignedAccessTokens(seeds=settings.JWT_SIGNING_KEYS, lifetime=settings.ACCESS_TOKEN_LIFETIME)

mail_link = MailLink(
    requests=link_requests,
    accounts=accounts,
    links=links,
    mailer=DjangoMailer(),
    pages={purpose: settings.LINK_PAGES[purpose.value] for purpose in LinkPurpose},
    now=timezone.now,
)
request_link = RequestLink(
    requests=link_requests,
    begin_mailing=register(MailingLink(mail_link).saga),
    unit_of_work=atomic,
    now=timezone.now,
    new_id=new_id,
)
confirm_email = ConfirmEmail(accounts=accounts, links=links, unit_of_work=atomic, now=timezone.now)
reset_password = ResetPassword(
    accounts=accounts,
    token_families=token_families,
    links=links,
    passwords=passwords,
    policy=policy,
    unit_of_work=atomic,
    now=timezone.now,
)
forget_link_requests = ForgetLinkRequests(requests=link_requests, unit_of_work=atomic, now=timezone.now)
register_customer = RegisterCustomer(
    accounts=accounts,
    passwords=passwords,
    policy=policy,
    request_link=request_link,
    unit_of_work=atomic,
    now=timezone.now,
    new_id=new_id,
)
issue_tokens = IssueTokens(
    accounts=accounts,
    token_families=token_families,
    passwords=passwords,
    guard=login_guard,
    second_factors=second_factors,
    access_tokens=access_tokens,
    refresh_lifetime=settings.REFRESH_TOKEN_LIFETIME,
    unit_of_work=atomic,
    now=timezone.now,
    new_id=new_id,
    new_secret=new_secret,
)
refresh_tokens = RefreshTokens(
    accounts=accounts,
    token_families=token_families,
    access_tokens=access_tokens,
    refresh_lifetime=settings.REFRESH_TOKEN_LIFETIME,
    unit_of_work=atomic,
    now=timezone.now,
    new_id=new_id,
    new_secret=new_secret,
)
revoke_tokens = RevokeTokens(token_families=token_families, unit_of_work=atomic, now=timezone.now)
end_sessions = EndSessions(accounts=accounts, token_families=token_families, unit_of_work=atomic, now=timezone.now)
forget_expired_tokens = ForgetExpiredTokens(token_families=token_families, unit_of_work=atomic, now=timezone.now)
change_password = ChangePassword(
    accounts=accounts,
    token_families=token_families,
    passwords=passwords,
    guard=login_guard,
    policy=policy,
    access_tokens=access_tokens,
    refresh_lifetime=settings.REFRESH_TOKEN_LIFETIME,
    unit_of_work=atomic,
    now=timezone.now,
    new_id=new_id,
    new_secret=new_secret,
)
change_profile = ChangeProfile(accounts=accounts, unit_of_work=atomic, now=timezone.now)
add_address = AddAddress(address_books=address_books, address_rules=address_rules, unit_of_work=atomic, new_id=new_id)
change_address = ChangeAddress(address_books=address_books, address_rules=address_rules, unit_of_work=atomic)
remove_address = RemoveAddress(address_books=address_books, unit_of_work=atomic)
export_personal_data = ExportPersonalData(own=own_records, others=others_records)
erase_customer = EraseCustomer(
    accounts=accounts,
    own=own_records,
    others=others_records,
    record_change=record_change,
    unit_of_work=atomic,
    now=timezone.now,
)
finish_erasures = FinishErasures(own=own_records, others=others_records, unit_of_work=atomic, now=timezone.now)
ensure_operator = EnsureOperator(
    accounts=accounts,
    token_families=token_families,
    passwords=passwords,
    policy=policy,
    unit_of_work=atomic,
    now=timezone.now,
    new_id=new_id,
)
ensure_customer = EnsureCustomer(
    accounts=accounts,
    passwords=passwords,
    policy=policy,
    unit_of_work=atomic,
    now=timezone.now,
    new_id=new_id,
)
create_api_key = CreateApiKey(
    api_keys=api_keys,
    unit_of_work=atomic,
    now=timezone.now,
    new_id=new_id,
    new_key_id=new_key_id,
    new_secret=new_secret,
    record_change=record_change,
)
revoke_api_key = RevokeApiKey(api_keys=api_keys, unit_of_work=atomic, now=timezone.now, record_change=record_change)
rotate_api_key = RotateApiKey(
    api_keys=api_keys,
    create_api_key=create_api_key,
    unit_of_work=atomic,
    now=timezone.now,
    record_change=record_change,
)
ensure_api_key = EnsureApiKey(api_keys=api_keys, create_api_key=create_api_key, unit_of_work=atomic, now=timezone.now)
authenticate = Authenticate(
    staff=staff,
    role_scopes=settings.ROLE_SCOPES,
    api_keys=api_keys,
    access_tokens=access_tokens,
    now=timezone.now,
)
