"""Identity in the client API: registration, log-in, mailed links, the own profile and address book."""

from ninja import Router

from contexts.identity.client_api.addresses import router as addresses
from contexts.identity.client_api.links import router as links
from contexts.identity.client_api.profile import router as profile
from contexts.identity.client_api.sessions import router as sessions

router = Router(tags=["identity"])
router.add_router("", profile)
router.add_router("", addresses)
router.add_router("", sessions)
router.add_router("", links)

__all__ = ["router"]
