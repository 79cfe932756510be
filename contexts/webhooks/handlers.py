"""What webhooks does when identity tells it something."""

from contexts.identity.events import ApiKeyRotated
from contexts.webhooks.domain import OwnerId
from contexts.webhooks.wiring import hand_over_endpoints
from shared.outbox.registry import subscribe


@subscribe(ApiKeyRotated)
def hand_over_endpoints_of_rotated_key(event: ApiKeyRotated) -> None:
    """Let the new key have the endpoints of the old one."""
    hand_over_endpoints(of=OwnerId(event.api_key_id), to=OwnerId(event.successor_id))
