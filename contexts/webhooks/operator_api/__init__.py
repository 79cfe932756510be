"""Webhooks for operators: endpoints, what they were told, and dead letters."""

from rest_framework.routers import SimpleRouter

from contexts.webhooks.operator_api.resources import (
    WebhookDeadLetterViewSet,
    WebhookDeliveryViewSet,
    WebhookEndpointViewSet,
)


def register(router: SimpleRouter) -> None:
    """Add the resources of webhooks to the operator API."""
    router.register("webhook-endpoints", WebhookEndpointViewSet, basename="webhook-endpoint")
    router.register("webhook-deliveries", WebhookDeliveryViewSet, basename="webhook-delivery")
    router.register("webhook-dead-letters", WebhookDeadLetterViewSet, basename="webhook-dead-letter")
