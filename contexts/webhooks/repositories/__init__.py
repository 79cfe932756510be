"""What webhooks keeps in the database."""

from contexts.webhooks.repositories.deliveries import DjangoDeliveries
from contexts.webhooks.repositories.endpoints import DjangoEndpoints
from contexts.webhooks.repositories.feeding import DjangoProgress, DjangoReplays, OutboxFeed

__all__ = ["DjangoDeliveries", "DjangoEndpoints", "DjangoProgress", "DjangoReplays", "OutboxFeed"]
