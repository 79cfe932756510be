"""How other servers hear what happened: they ask for events, or are told at an endpoint."""

from ninja import Router

from contexts.webhooks.client_api import asyncapi, endpoints, events, log

router = Router()
router.add_router("", events.router)
router.add_router("", endpoints.router)
router.add_router("", log.router)
router.add_router("", asyncapi.router)

__all__ = ["router"]
