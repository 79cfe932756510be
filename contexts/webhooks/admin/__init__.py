"""Webhooks for operators: endpoints, what they were told, and a second chance for what did not arrive."""

from contexts.webhooks.admin.deliveries import DeliveryAdmin
from contexts.webhooks.admin.endpoints import EndpointAdmin

__all__ = ["DeliveryAdmin", "EndpointAdmin"]
