"""The operator API: one registration per context."""

from typing import cast

from django.urls import URLPattern, URLResolver, path
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework.renderers import JSONRenderer
from rest_framework.routers import SimpleRouter

from contexts.catalog.operator_api import register as register_catalog
from contexts.identity.operator_api import register as register_identity
from contexts.inventory.operator_api import register as register_inventory
from contexts.ordering.operator_api import register as register_ordering
from contexts.payments.operator_api import register as register_payments
from contexts.webhooks.operator_api import register as register_webhooks
from shared.http.promises import Document
from shared.operations import audit, deliveries, events, sagas

router = SimpleRouter(trailing_slash=False, use_regex_path=False)
register_catalog(router)
register_identity(router)
register_inventory(router)
register_ordering(router)
register_payments(router)
for kernel in (sagas, deliveries, events, audit):
    kernel.register(router)
register_webhooks(router)

urls: list[URLPattern | URLResolver] = [
    *router.urls,
    path("openapi.json", SpectacularAPIView.as_view(renderer_classes=[JSONRenderer]), name="ops-openapi"),
    path("docs", SpectacularSwaggerSplitView.as_view(url_name="ops-openapi"), name="ops-docs"),
]


def document() -> Document:
    """Return the OpenAPI document."""
    generator = SchemaGenerator()  # type: ignore[no-untyped-call]
    return cast(Document, generator.get_schema(request=None, public=True))  # type: ignore[no-untyped-call]
