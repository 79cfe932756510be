"""What can be done with accounts, tokens and keys."""

from contexts.identity.use_cases.accounts import (
    ChangeProfile,
    EnsureCustomer,
    EnsureOperator,
    RegisterCustomer,
)
from contexts.identity.use_cases.addresses import (
    AddAddress,
    ChangeAddress,
    RemoveAddress,
)
from contexts.identity.use_cases.api_keys import (
    CreateApiKey,
    EnsureApiKey,
    RevokeApiKey,
    RotateApiKey,
)
from contexts.identity.use_cases.authentication import (
    Authenticate,
)
from contexts.identity.use_cases.erasure import (
    EraseCustomer,
    ExportPersonalData,
    FinishErasures,
)
from contexts.identity.use_cases.links import (
    ConfirmEmail,
    ForgetLinkRequests,
    MailLink,
    RequestLink,
    ResetPassword,
)
from contexts.identity.use_cases.sessions import (
    ChangePassword,
    EndSessions,
    ForgetExpiredTokens,
    IssueTokens,
    RefreshTokens,
    RevokeTokens,
)

__all__ = [
    "AddAddress",
    "Authenticate",
    "ChangeAddress",
    "ChangePassword",
    "ChangeProfile",
    "ConfirmEmail",
    "CreateApiKey",
    "EndSessions",
    "EnsureApiKey",
    "EnsureCustomer",
    "EnsureOperator",
    "EraseCustomer",
    "ExportPersonalData",
    "FinishErasures",
    "ForgetExpiredTokens",
    "ForgetLinkRequests",
    "IssueTokens",
    "MailLink",
    "RefreshTokens",
    "RegisterCustomer",
    "RemoveAddress",
    "RequestLink",
    "ResetPassword",
    "RevokeApiKey",
    "RevokeTokens",
    "RotateApiKey",
]
