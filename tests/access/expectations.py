"""Who may use which operation: one row for each operation id of both OpenAPI documents.

A new operation without a row fails `test_matrix.py`. A row is read by every caller in `callers.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from tests.access.callers import Caller

#: What an answer says of the caller's right; anything else (200, 201, 409, 422, …) means that the caller came in.
Outcome = Literal["in", 401, 403, 404]


EVERY_ROLE: Final = frozenset({"viewer", "support", "fulfillment", "catalog_manager", "finance", "admin"})


def only(*roles: str) -> frozenset[str]:
    """Return the roles that may, and that of those who may everything."""
    return frozenset({*roles, "admin"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Open:
    """For anybody; whatever stands in Authorization is not looked at."""

    body: Mapping[str, Any] | None = None

    def expected(self, caller: Caller, *, method: str) -> Outcome:
        """Return what the caller gets."""
        return "in"


@dataclass(frozen=True, slots=True, kw_only=True)
class Personal:
    """For people, each for their own; no key may, whatever its scopes.

    ``owned`` says that the path names something that belongs to the customer: others do not learn that it is there.
    The body is one that the owner gets an effect with.
    """

    owned: bool = False
    body: Mapping[str, Any] | None = None

    def expected(self, caller: Caller, *, method: str) -> Outcome:
        """Return what the caller gets."""
        if not caller.has_token:
            return 401
        if caller.kind == "key":
            return 403
        return 404 if self.owned and caller.name != "customer" else "in"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scoped:
    """For keys with the scope, for everybody's; for people, their own; ``owned`` and the body as above."""

    scope: str
    owned: bool = False
    body: Mapping[str, Any] | None = None

    def expected(self, caller: Caller, *, method: str) -> Outcome:
        """Return what the caller gets."""
        if not caller.has_token:
            return 401
        if caller.kind == "key":
            return "in" if caller.may(self.scope) else 403
        return 404 if self.owned and caller.name != "customer" else "in"


@dataclass(frozen=True, slots=True, kw_only=True)
class Operators:
    """For staff in one of the roles, by token or by session with its CSRF token; and for keys with the scope."""

    scope: str
    roles: frozenset[str] = EVERY_ROLE
    body: Mapping[str, Any] | None = None

    def expected(self, caller: Caller, *, method: str) -> Outcome:
        """Return what the caller gets."""
        if caller.session and not caller.sends_csrf_token and method != "get":
            return 403
        if caller.session == "staff":
            return "in" if caller.is_one_of(self.roles) else 403
        if not caller.has_token:
            return 401
        if caller.kind == "key":
            return "in" if caller.may(self.scope) else 403
        return "in" if caller.kind == "staff" and caller.is_one_of(self.roles) else 403


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """For keys with the scope; ``owned`` says that the path names something of another key, which nobody here finds."""

    scope: str
    owned: bool = False
    body: Mapping[str, Any] | None = None

    def expected(self, caller: Caller, *, method: str) -> Outcome:
        """Return what the caller gets."""
        if not caller.has_token:
            return 401
        if caller.kind != "key" or not caller.may(self.scope):
            return 403
        return 404 if self.owned else "in"


Rule = Open | Personal | Scoped | Operators | Keys

ADDRESS: Final = {
    "name": "Ada Lovelace",
    "line1": "Lindenstraße 12",
    "city": "Berlin",
    "postal_code": "10969",
    "country": "DE",
}
REASON: Final = {"reason": "changed my mind"}
SPAN: Final = {"from": "2026-03-01T00:00:00Z", "to": "2026-03-02T00:00:00Z"}


CLIENT: Final[Mapping[str, Rule]] = {
    "register_customer": Open(),
    "get_own_profile": Personal(),
    "change_own_profile": Personal(),
    "change_own_password": Personal(),
    "erase_own_account": Personal(),
    "export_own_data": Personal(),
    "list_own_addresses": Personal(),
    "add_own_address": Personal(),
    "change_own_address": Personal(owned=True, body=ADDRESS),
    "remove_own_address": Personal(owned=True),
    "issue_tokens": Open(),
    "refresh_tokens": Open(body={"refresh_token": ""}),
    "revoke_tokens": Open(body={"refresh_token": ""}),
    "revoke_all_tokens": Personal(),
    "request_email_verification": Open(),
    "confirm_email_verification": Open(),
    "request_password_reset": Open(),
    "confirm_password_reset": Open(),
    "list_products": Open(),
    "get_product": Open(),
    "get_category_tree": Open(),
    "place_order": Scoped(scope="orders:write"),
    "list_orders": Scoped(scope="orders:read"),
    "get_order": Scoped(scope="orders:read", owned=True),
    "cancel_order": Scoped(scope="orders:write", owned=True, body=REASON),
    "list_order_timeline": Scoped(scope="orders:read", owned=True),
    "get_asyncapi_document": Open(),
    "list_events": Keys(scope="events:read"),
    "add_webhook_endpoint": Keys(scope="webhooks:write"),
    "list_webhook_endpoints": Keys(scope="webhooks:write"),
    "get_webhook_endpoint": Keys(scope="webhooks:write", owned=True),
    "change_webhook_endpoint": Keys(scope="webhooks:write", owned=True),
    "remove_webhook_endpoint": Keys(scope="webhooks:write", owned=True),
    "rotate_webhook_secret": Keys(scope="webhooks:write", owned=True),
    "test_webhook_endpoint": Keys(scope="webhooks:write", owned=True),
    "replay_webhook_events": Keys(scope="webhooks:write", owned=True, body=SPAN),
    "get_webhook_replay": Keys(scope="webhooks:write", owned=True),
    "list_webhook_deliveries": Keys(scope="webhooks:write", owned=True),
    "follow_order": Scoped(scope="orders:read", owned=True),
}

OPERATOR: Final[Mapping[str, Rule]] = {
    "list_customers": Operators(scope="ops:customers:read"),
    "get_customer": Operators(scope="ops:customers:read"),
    "erase_customer": Operators(scope="ops:customers:erase", roles=only()),
    "list_api_keys": Operators(scope="ops:api-keys:read", roles=only()),
    "get_api_key": Operators(scope="ops:api-keys:read", roles=only()),
    "create_api_key": Operators(scope="ops:api-keys:write", roles=only()),
    "revoke_api_key": Operators(scope="ops:api-keys:write", roles=only()),
    "rotate_api_key": Operators(scope="ops:api-keys:write", roles=only()),
    "list_stock_items": Operators(scope="ops:stock:read"),
    "get_stock_item": Operators(scope="ops:stock:read"),
    "adjust_stock_item": Operators(scope="ops:stock:write", roles=only("fulfillment")),
    "list_stock_item_movements": Operators(scope="ops:stock:read"),
    "list_stock_item_holds": Operators(scope="ops:stock:read"),
    "list_all_orders": Operators(scope="ops:orders:read"),
    "list_customer_orders": Operators(scope="ops:orders:read"),
    "get_any_order": Operators(scope="ops:orders:read"),
    "cancel_any_order": Operators(scope="ops:orders:write", roles=only("support", "finance")),
    "list_any_order_timeline": Operators(scope="ops:orders:read"),
    "list_order_sagas": Operators(scope="ops:orders:read"),
    "list_order_notes": Operators(scope="ops:orders:read"),
    "add_order_note": Operators(scope="ops:notes:write", roles=only("support")),
    "list_payments": Operators(scope="ops:payments:read"),
    "get_payment": Operators(scope="ops:payments:read"),
    "resolve_payment": Operators(scope="ops:payments:write", roles=only("finance")),
    "list_sagas": Operators(scope="ops:sagas:read"),
    "get_saga": Operators(scope="ops:sagas:read"),
    "retry_saga": Operators(scope="ops:sagas:write", roles=only()),
    "skip_saga_step": Operators(scope="ops:sagas:write", roles=only()),
    "compensate_saga": Operators(scope="ops:sagas:write", roles=only()),
    "list_deliveries": Operators(scope="ops:deliveries:read"),
    "get_delivery": Operators(scope="ops:deliveries:read"),
    "list_dead_letters": Operators(scope="ops:deliveries:read"),
    "get_dead_letter": Operators(scope="ops:deliveries:read"),
    "retry_dead_letter": Operators(scope="ops:deliveries:write", roles=only()),
    "discard_dead_letter": Operators(scope="ops:deliveries:write", roles=only()),
    "retry_dead_letters": Operators(scope="ops:deliveries:write", roles=only()),
    "discard_dead_letters": Operators(scope="ops:deliveries:write", roles=only()),
    "list_events": Operators(scope="ops:events:read"),
    "get_event": Operators(scope="ops:events:read"),
    "list_audit_entries": Operators(scope="ops:audit:read"),
    "get_audit_entry": Operators(scope="ops:audit:read"),
    "list_all_products": Operators(scope="ops:products:read"),
    "get_any_product": Operators(scope="ops:products:read"),
    "add_product": Operators(scope="ops:products:write", roles=only("catalog_manager")),
    "change_product": Operators(scope="ops:products:write", roles=only("catalog_manager")),
    "withdraw_product": Operators(scope="ops:products:write", roles=only("catalog_manager")),
    "list_variants": Operators(scope="ops:variants:read"),
    "get_variant": Operators(scope="ops:variants:read"),
    "add_variant": Operators(scope="ops:variants:write", roles=only("catalog_manager")),
    "change_variant": Operators(scope="ops:variants:write", roles=only("catalog_manager")),
    "list_prices": Operators(scope="ops:prices:read"),
    "change_price": Operators(scope="ops:prices:write", roles=only("catalog_manager")),
    "list_all_categories": Operators(scope="ops:categories:read"),
    "get_category": Operators(scope="ops:categories:read"),
    "add_category": Operators(scope="ops:categories:write", roles=only("catalog_manager")),
    "rename_category": Operators(scope="ops:categories:write", roles=only("catalog_manager")),
    "list_all_webhook_endpoints": Operators(scope="ops:webhooks:read"),
    "get_any_webhook_endpoint": Operators(scope="ops:webhooks:read"),
    "enable_webhook_endpoint": Operators(scope="ops:webhooks:write", roles=only()),
    "disable_webhook_endpoint": Operators(scope="ops:webhooks:write", roles=only()),
    "replay_to_webhook_endpoint": Operators(scope="ops:webhooks:write", roles=only()),
    "list_all_webhook_deliveries": Operators(scope="ops:webhooks:read"),
    "get_webhook_delivery": Operators(scope="ops:webhooks:read"),
    "list_webhook_dead_letters": Operators(scope="ops:webhooks:read"),
    "retry_webhook_dead_letter": Operators(scope="ops:webhooks:write", roles=only()),
    "discard_webhook_dead_letter": Operators(scope="ops:webhooks:write", roles=only()),
    "retry_webhook_dead_letters": Operators(scope="ops:webhooks:write", roles=only()),
    "discard_webhook_dead_letters": Operators(scope="ops:webhooks:write", roles=only()),
}

SCOPES: Final = sorted({rule.scope for rule in (*CLIENT.values(), *OPERATOR.values()) if hasattr(rule, "scope")})
