"""The roles of staff: what each may ask of the operator API, and do in the admin.

A role is a group of Django's; ``config.groups`` keeps the groups as this table has them. Permissions are patterns of
``app.codename``; everybody may look at everything but staff and keys, and nobody but an admin may hand out rights.
"""

from collections.abc import Mapping
from dataclasses import dataclass

#: All but API keys, which show who has which rights.
READABLE = (
    "audit categories coupons customers deliveries events exports imports locations notes orders payments prices "
    "products reconciliations reports returns sagas shipments shipping-methods stock tax-rates variants webhooks"
)
READ_ALL = frozenset(f"ops:{resource}:read" for resource in READABLE.split())
VIEW_ALL = "*.view_*"


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleRights:
    """What a role may do: scopes of the operator API, and permissions of the admin."""

    scopes: frozenset[str]
    permissions: tuple[str, ...]


def _rights(*, scopes: str = "", permissions: str = "") -> RoleRights:
    return RoleRights(scopes=READ_ALL | set(scopes.split()), permissions=(VIEW_ALL, *permissions.split()))


ROLES: Mapping[str, RoleRights] = {
    "viewer": _rights(),
    "support": _rights(
        scopes="ops:orders:write ops:returns:write ops:notes:write",
        permissions="ordering.change_order* *.*returnrow",
    ),
    "fulfillment": _rights(
        scopes="ops:stock:write ops:shipments:write ops:returns:write ops:orders:fulfill",
        permissions="inventory.*_stockitem* inventory.*_movement* fulfillment.*",
    ),
    "catalog_manager": _rights(
        scopes=(
            "ops:products:write ops:variants:write ops:categories:write ops:prices:write ops:coupons:write "
            "ops:shipping-methods:write ops:tax-rates:write ops:locations:write ops:imports:write ops:exports:write"
        ),
        permissions="catalog.* pricing.* ordering.*_shippingmethodrow inventory.*_locationrow",
    ),
    "finance": _rights(
        scopes=(
            "ops:payments:write ops:orders:write ops:reconciliations:write ops:tax-rates:write ops:reports:write "
            "ops:exports:write"
        ),
        permissions="payments.* ordering.change_order*",
    ),
    "admin": RoleRights(scopes=frozenset({"ops:*"}), permissions=("*",)),
}
