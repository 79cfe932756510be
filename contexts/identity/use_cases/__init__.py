"""What can be done with accounts, tokens and keys."""

from contexts.identity.use_cases.accounts import (
    ChangeProfile,
    EnsureOperator,
    RegisterCustomer,
)
from contexts.identity.use_cases.api_keys import (
    CreateApiKey,
    EnsureApiKey,
    RevokeApiKey,
)
from contexts.identity.use_cases.authentication import (
    ALL_OPS,
    Authenticate,
)
from contexts.identity.use_cases.sessions import (
    EndSessions,
    ForgetExpiredTokens,
    IssueTokens,
    RefreshTokens,
    RevokeTokens,
)

__all__ = [
    "ALL_OPS",
    "Authenticate",
    "ChangeProfile",
    "CreateApiKey",
    "EndSessions",
    "EnsureApiKey",
    "EnsureOperator",
    "ForgetExpiredTokens",
    "IssueTokens",
    "RefreshTokens",
    "RegisterCustomer",
    "RevokeApiKey",
    "RevokeTokens",
]
