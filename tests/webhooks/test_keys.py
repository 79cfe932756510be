"""Endpoints go the way of the API key that owns them."""

from datetime import timedelta

import pytest
from django.core import mail
from django.utils import timezone

from contexts.identity import wiring as identity
from contexts.identity.models import ApiKeyRow
from contexts.webhooks import wiring
from contexts.webhooks.domain import OwnerId
from contexts.webhooks.models import DeliveryRow, EndpointRow
from shared.outbox.relay import relay_pending_messages
from shared.saga.models import SagaRow
from shared.saga.runner import advance
from tests.shared.test_outbox_replay import deliver_all
from tests.shop import a_key
from tests.webhooks.builders import an_endpoint, fan_out, happened
from tests.webhooks.test_client_api import URL

pytestmark = pytest.mark.django_db(transaction=True)


def an_owner() -> OwnerId:
    """Make a key, and return its id."""
    a_key("webhooks:write")
    return OwnerId(ApiKeyRow.objects.latest("created_at").id)


class TestEndedKey:
    @pytest.mark.parametrize("how", ["revoked", "expired"])
    def test_has_its_endpoints_disabled_and_nobody_elses(self, how: str) -> None:
        ended, good = an_owner(), an_owner()
        endpoint, other = an_endpoint(URL, owner_id=ended, email="ops@example.com"), an_endpoint(URL, owner_id=good)
        happened()
        fan_out()
        assert wiring.disable_orphans() == 0
        if how == "revoked":
            identity.revoke_api_key(api_key_id=ended)
        else:
            long_ago = timezone.now() - timedelta(days=2)
            ApiKeyRow.objects.filter(pk=ended).update(created_at=long_ago, expires_at=long_ago + timedelta(days=1))

        assert wiring.disable_orphans() == 1
        assert wiring.disable_orphans() == 0
        assert dict(EndpointRow.objects.values_list("id", "disabled_because")) == {
            endpoint.id: "key_ended",
            other.id: "",
        }
        assert dict(DeliveryRow.objects.values_list("endpoint_id", "status")) == {
            endpoint.id: "dead",
            other.id: "pending",
        }

    def test_is_told_to_whom_its_endpoint_named(self) -> None:
        owner = an_owner()
        an_endpoint(URL, owner_id=owner, email="ops@example.com")
        identity.revoke_api_key(api_key_id=owner)
        wiring.disable_orphans()
        advance(SagaRow.objects.get().pk)

        (sent,) = mail.outbox
        assert sent.to == ["ops@example.com"]
        assert "revoked" in sent.body


class TestRotatedKey:
    def test_hands_its_endpoints_over(self) -> None:
        old = an_owner()
        an_endpoint(URL, owner_id=old)
        created = identity.rotate_api_key(api_key_id=old, overlap=timedelta(hours=1))
        while relay_pending_messages():
            pass
        deliver_all()

        assert EndpointRow.objects.get().owner_id == created.key.id
        identity.revoke_api_key(api_key_id=old)
        assert wiring.disable_orphans() == 0
