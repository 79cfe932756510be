"""The client API: one router per context."""

from ninja.openapi.docs import Swagger

from config.wording import ABOUT, EXAMPLES, TAGS
from contexts.catalog.client_api import router as catalog
from contexts.identity.client_api import router as identity
from contexts.ordering.client_api import router as ordering
from contexts.webhooks.client_api import router as webhooks
from shared.http.documents import Document, Wording
from shared.http.ninja import DocumentedApi, JsonParser, JsonRenderer, speak_problem_json
from shared.http.throttling import Throttled

client_api = DocumentedApi(
    title="Orderly client API",
    version="1.0.0",
    description=f"For shops, apps, marketplaces and other servers.\n\n{ABOUT}",
    wording=Wording(tags=TAGS, examples=EXAMPLES),
    openapi_extra={"info": {"contact": {"name": "Orderly"}, "license": {"name": "MIT", "identifier": "MIT"}}},
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
    return client_api.document
