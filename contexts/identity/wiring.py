"""The composition root of identity: ready use cases."""

from django.conf import settings
from django.utils import timezone

from contexts.identity.gateways import (
    DjangoPasswordPolicy,
    DjangoPasswords,
    SignedAccessTokens,
    new_key_id,
    new_secret,
)
from contexts.identity.repositories import DjangoAccounts, DjangoApiKeys, DjangoTokenFamilies
from contexts.identity.use_cases import (
    Authenticate,
    ChangeProfile,
    CreateApiKey,
    EndSessions,
    EnsureApiKey,
    EnsureOperator,
    ForgetExpiredTokens,
    IssueTokens,
    RefreshTokens,
    RegisterCustomer,
    RevokeApiKey,
    RevokeTokens,
)
from shared.persistence.identifiers import new_id
from shared.persistence.unit_of_work import atomic

accounts = DjangoAccounts()
token_families = DjangoTokenFamilies()
api_keys = DjangoApiKeys()
passwords = DjangoPasswords()
policy = DjangoPasswordPolicy()
access_tokens = SignedAccessTokens(seeds=settings.JWT_SIGNING_KEYS, lifetime=settings.ACCESS_TOKEN_LIFETIME)

register_customer = RegisterCustomer(
    accounts=accounts,
    passwords=passwords,
    policy=policy,
    unit_of_work=atomic,
    now=timezone.now,
    new_id=new_id,
)
issue_tokens = IssueTokens(
    accounts=accounts,
    token_families=token_families,
    passwords=passwords,
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
change_profile = ChangeProfile(accounts=accounts, unit_of_work=atomic, now=timezone.now)
ensure_operator = EnsureOperator(
    accounts=accounts,
    token_families=token_families,
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
)
revoke_api_key = RevokeApiKey(api_keys=api_keys, unit_of_work=atomic, now=timezone.now)
ensure_api_key = EnsureApiKey(api_keys=api_keys, create_api_key=create_api_key, unit_of_work=atomic, now=timezone.now)
authenticate = Authenticate(accounts=accounts, api_keys=api_keys, access_tokens=access_tokens, now=timezone.now)
