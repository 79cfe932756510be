"""Accounts, API keys and second factors for operators."""

from contexts.identity.admin.accounts import AccountAdmin, GroupAdmin
from contexts.identity.admin.api_keys import ApiKeyAdmin

__all__ = ["AccountAdmin", "ApiKeyAdmin", "GroupAdmin"]
