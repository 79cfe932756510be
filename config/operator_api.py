"""The operator API: one registration per context."""

from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, URLResolver, path
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.views import SpectacularSwaggerSplitView
from rest_framework.routers import SimpleRouter

from config.wording import ABOUT, EXAMPLES, TAGS
from contexts.catalog.operator_api import register as register_catalog
from contexts.identity.operator_api import register as register_identity
from contexts.inventory.operator_api import register as register_inventory
from contexts.ordering.operator_api import register as register_ordering
from contexts.payments.operator_api import register as register_payments
from contexts.webhooks.operator_api import register as register_webhooks
from shared.http import promises
from shared.http.documents import Document, Wording, complete
from shared.http.json import json_response
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


def document() -> Document:
    """Return the OpenAPI document."""
    generator = SchemaGenerator()  # type: ignore[no-untyped-call]
    raw = generator.get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    raw["info"]["description"] += f"\n\n{ABOUT}"
    return complete(raw, wording=Wording(tags=TAGS, examples=EXAMPLES, is_internal=True))


@csrf_exempt
@require_safe
def openapi_json(request: HttpRequest) -> HttpResponse:  # noqa: ARG001 - Django's signature
    """Return the OpenAPI document."""
    return json_response(promises.document("/api/ops/v1/"))


urls: list[URLPattern | URLResolver] = [
    *router.urls,
    path("openapi.json", openapi_json, name="ops-openapi"),
    path("docs", SpectacularSwaggerSplitView.as_view(url_name="ops-openapi"), name="ops-docs"),
]
