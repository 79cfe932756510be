"""Orders for clients."""

from contexts.ordering.client_api.orders import router as router
from contexts.ordering.client_api.orders import shown as shown
