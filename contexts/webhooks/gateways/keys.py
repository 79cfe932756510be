"""The API keys that own endpoints, as identity knows them."""

from collections.abc import Collection

from contexts.identity import public as identity
from contexts.webhooks.domain import OwnerId


class IdentityKeys:
    """Asks identity."""

    def good(self, owners: Collection[OwnerId]) -> Collection[OwnerId]:
        """Return which of these API keys are neither revoked nor past their time."""
        return [OwnerId(id_) for id_ in identity.good_api_keys(owners)]
