"""Identity in the operator API."""

from rest_framework.routers import SimpleRouter

from contexts.identity.operator_api.api_keys import ApiKeyViewSet
from contexts.identity.operator_api.customers import CustomerViewSet

__all__ = ["register"]


def register(router: SimpleRouter) -> None:
    """Add identity's resources to the operator API."""
    router.register("api-keys", ApiKeyViewSet, basename="api-key")
    router.register("customers", CustomerViewSet, basename="customer")
