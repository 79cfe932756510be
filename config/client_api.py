"""The client API: one router per context."""

from ninja import NinjaAPI
from ninja.openapi.docs import Swagger

from contexts.catalog.client_api import router as catalog
from contexts.identity.client_api import router as identity
from contexts.ordering.client_api import router as ordering
from contexts.webhooks.client_api import router as webhooks
from shared.http.ninja import JsonParser, JsonRenderer, speak_problem_json
from shared.http.promises import Document
from shared.http.throttling import Throttled

client_api = NinjaAPI(
    title="Orderly client API",
    version="1.0.0",
    description="For shops, apps, marketplaces and other servers.",
    urls_namespace="client-api",
    throttle=Throttled(),
    parser=JsonParser(),
    renderer=JsonRenderer(),
    docs=Swagger(settings={"persistAuthorization": True}),
)
client_api.add_router("", identity)
client_api.add_router("", catalog)
client_api.add_router("", ordering)
client_api.add_router("", webhooks)
speak_problem_json(client_api)


def document() -> Document:
    """Return the OpenAPI document."""
    return client_api.get_openapi_schema()
