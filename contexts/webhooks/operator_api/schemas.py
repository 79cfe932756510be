"""What operators' programs send and get."""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter
from rest_framework import serializers

from contexts.webhooks.domain import DeliveryStatus
from shared.http.drf_schemas import ItemPage, PageQuery, StrictSerializer, time_field

MOST_AT_ONCE = 200
STATUSES = [status.value for status in DeliveryStatus]
ID = OpenApiParameter("id", OpenApiTypes.UUID, OpenApiParameter.PATH)
ENDPOINT = OpenApiParameter("endpoint_id", OpenApiTypes.UUID, description="to exactly this endpoint")
OF_A_TOPIC = OpenApiExample(
    "One topic's", value={"topic": "ordering.order_placed.v1", "reason": "the server was down"}, request_only=True
)
TOPIC = OpenApiParameter("topic", str, description="of exactly this topic, such as ordering.order_placed.v1")


class WebhookEndpointOut(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    owner_id = serializers.UUIDField(help_text="the API key that added it")
    url = serializers.CharField()
    topics: Any = serializers.ListField(child=serializers.CharField())
    email = serializers.CharField(help_text="who is told when it gets disabled")
    enabled = serializers.BooleanField()
    disabled_because = serializers.CharField(allow_null=True)
    failing_since = serializers.DateTimeField(allow_null=True, help_text="since when every attempt failed")
    secret_rotation_ends_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()
    version = serializers.IntegerField()


class WebhookAttemptOut(serializers.Serializer[Any]):
    number = serializers.IntegerField()
    at = serializers.DateTimeField()
    duration_ms = serializers.IntegerField()
    url = serializers.CharField()
    status = serializers.IntegerField(allow_null=True)
    request_headers: Any = serializers.DictField(child=serializers.CharField())
    request_body = serializers.CharField(help_text="the beginning of the request")
    headers: Any = serializers.DictField(child=serializers.CharField())
    body = serializers.CharField(help_text="the beginning of the answer")
    error = serializers.CharField(allow_null=True)


class WebhookDeliveryOut(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    endpoint_id = serializers.UUIDField()
    event_id = serializers.UUIDField()
    topic = serializers.CharField()
    status = serializers.CharField(help_text="pending, done, dead or discarded")
    attempts = serializers.IntegerField()
    due_at = serializers.DateTimeField(allow_null=True, help_text="when it is tried next")
    finished_at = serializers.DateTimeField(allow_null=True)
    last_error = serializers.CharField(allow_null=True)
    log = WebhookAttemptOut(many=True)


DELIVERIES = ItemPage(WebhookDeliveryOut)


class EndpointQuery(PageQuery):
    enabled = serializers.BooleanField(required=False, allow_null=True, default=None)
    failing = serializers.BooleanField(required=False, allow_null=True, default=None)


class DeliveryQuery(PageQuery):
    endpoint_id = serializers.UUIDField(required=False)
    topic = serializers.CharField(required=False, max_length=120)
    status = serializers.CharField(required=False, max_length=10)

    def validate_status(self, value: str) -> str:
        """Refuse what no delivery can be."""
        if value not in STATUSES:
            raise serializers.ValidationError(f"One of {', '.join(STATUSES)}.")
        return value


class DeadLetterQuery(PageQuery):
    endpoint_id = serializers.UUIDField(required=False)
    topic = serializers.CharField(required=False, max_length=120)


class ReasonIn(StrictSerializer):
    reason = serializers.CharField(max_length=200, help_text="the audit trail keeps it")


class ReplayIn(ReasonIn):
    """Which events an endpoint is told once more."""

    topics: Any = serializers.ListField(
        child=serializers.CharField(max_length=120),
        required=False,
        min_length=1,
        max_length=100,
        help_text="those of the endpoint, unless given",
    )

    def get_fields(self) -> dict[str, Any]:
        """Return the fields; ``from`` cannot be an attribute."""
        return super().get_fields() | {
            "from": time_field(help_text="the first moment of the span"),
            "to": time_field(help_text="the first moment after it"),
        }


class WebhookReplayOut(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    since = serializers.DateTimeField()
    until = serializers.DateTimeField()
    topics: Any = serializers.ListField(child=serializers.CharField())
    count = serializers.IntegerField(help_text="how many were made due so far")
    is_done = serializers.BooleanField()


class DealIn(ReasonIn):
    """Which dead letters are dealt with: those of an endpoint, a topic, both, or `all`."""

    endpoint_id = serializers.UUIDField(required=False)
    topic = serializers.CharField(required=False, max_length=120)
    all = serializers.BooleanField(required=False, default=False, help_text="whichever endpoint and topic they are of")
    limit = serializers.IntegerField(required=False, default=MOST_AT_ONCE, min_value=1, max_value=MOST_AT_ONCE)


class WebhookDealtOut(serializers.Serializer[Any]):
    count = serializers.IntegerField(help_text="how many were dealt with; call again while it is the limit")
