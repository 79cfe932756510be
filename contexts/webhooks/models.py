from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import BrinIndex
from django.db import models

from contexts.webhooks.domain import DeliveryStatus, DisabledBecause

PENDING = models.Q(status="pending")


class Kept(models.Manager["EndpointRow"]):
    """Endpoints that nobody has removed."""

    def get_queryset(self) -> models.QuerySet["EndpointRow"]:
        """Return them."""
        return super().get_queryset().filter(removed_at=None)


class EndpointRow(models.Model):
    """Where another server wants to be told of events; its secrets are encrypted.

    One that was removed stays, disabled, until all that is known of what it was told is deleted.
    """

    id = models.UUIDField(primary_key=True)
    owner_id = models.UUIDField()
    url = models.CharField(max_length=2048)
    topics = ArrayField(models.CharField(max_length=120))
    email = models.EmailField(max_length=254, blank=True)
    secret = models.BinaryField()
    previous_secret = models.BinaryField(null=True)
    previous_secret_until = models.DateTimeField(null=True)
    since = models.BigIntegerField()
    created_at = models.DateTimeField()
    disabled_because = models.CharField(
        max_length=12, blank=True, choices=[(each.value, each.value.replace("_", " ")) for each in DisabledBecause]
    )
    failing_since = models.DateTimeField(null=True)
    failures_in_a_row = models.PositiveIntegerField(default=0)
    rests_until = models.DateTimeField(null=True)
    removed_at = models.DateTimeField(null=True)
    version = models.PositiveIntegerField(default=0)
    sequence = models.PositiveIntegerField(default=0)

    objects = Kept()

    class Meta:
        db_table = "webhooks_endpoint"
        verbose_name = "webhook endpoint"
        constraints = [
            models.CheckConstraint(condition=~models.Q(topics=[]), name="webhooks_endpoint_has_a_topic"),
            models.CheckConstraint(
                condition=models.Q(previous_secret=None, previous_secret_until=None)
                | models.Q(previous_secret__isnull=False, previous_secret_until__isnull=False),
                name="webhooks_endpoint_previous_secret_ends",
            ),
            models.CheckConstraint(
                condition=models.Q(removed_at=None) | ~models.Q(disabled_because=""),
                name="webhooks_endpoint_removed_is_disabled",
            ),
        ]
        indexes = [models.Index(fields=["owner_id", "id"], name="webhooks_endpoint_by_owner")]


class DeliveryRow(models.Model):
    """One event that one endpoint is to be told of."""

    id = models.UUIDField(primary_key=True)
    endpoint = models.ForeignKey(EndpointRow, on_delete=models.PROTECT, related_name="deliveries", db_index=False)
    event_id = models.UUIDField()
    topic = models.CharField(max_length=120)
    aggregate_id = models.UUIDField()
    aggregate_sequence = models.PositiveIntegerField()
    status = models.CharField(
        max_length=10, choices=[(each.value, each.value) for each in DeliveryStatus], db_default=DeliveryStatus.PENDING
    )
    attempts = models.PositiveSmallIntegerField(db_default=0)
    began_at = models.DateTimeField()
    due_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)
    last_error = models.CharField(max_length=200, blank=True, db_default="")
    payload = models.JSONField(null=True)

    class Meta:
        db_table = "webhooks_delivery"
        verbose_name = "webhook delivery"
        verbose_name_plural = "webhook deliveries"
        constraints = [
            models.UniqueConstraint(fields=["endpoint", "event_id"], name="webhooks_delivery_once_per_event"),
            models.CheckConstraint(
                condition=models.Q(status="pending", finished_at=None) | models.Q(~PENDING, finished_at__isnull=False),
                name="webhooks_delivery_finished_or_pending",
            ),
        ]
        indexes = [
            models.Index(fields=["endpoint", "due_at", "id"], name="webhooks_delivery_due", condition=PENDING),
            models.Index(
                fields=["endpoint", "aggregate_id", "aggregate_sequence"],
                name="webhooks_delivery_turn",
                condition=PENDING,
            ),
            models.Index(fields=["endpoint", "id"], name="webhooks_delivery_log"),
            models.Index(fields=["id"], name="webhooks_delivery_dead", condition=models.Q(status="dead")),
            models.Index(
                fields=["finished_at"],
                name="webhooks_delivery_age",
                condition=models.Q(status__in=("done", "discarded")),
            ),
        ]


class AttemptRow(models.Model):
    """One request to an endpoint, and what came of it: the log that the owner reads."""

    id = models.BigAutoField(primary_key=True)
    delivery = models.ForeignKey(DeliveryRow, on_delete=models.CASCADE, related_name="log")
    number = models.PositiveSmallIntegerField()
    at = models.DateTimeField()
    milliseconds = models.PositiveIntegerField()
    url = models.CharField(max_length=2048)
    request_headers = models.JSONField(db_default={})
    request_body = models.TextField(blank=True, db_default="")
    status = models.PositiveSmallIntegerField(null=True)
    headers = models.JSONField()
    body = models.TextField(blank=True)
    error = models.CharField(max_length=200, blank=True)

    class Meta:
        db_table = "webhooks_attempt"
        verbose_name = "attempt"
        indexes = [BrinIndex(fields=["at"], name="webhooks_attempt_age", autosummarize=True)]


class ReplayRow(models.Model):
    """A wish to be told once more of what was recorded in a span of time, and how far it is fulfilled."""

    id = models.UUIDField(primary_key=True)
    endpoint = models.ForeignKey(EndpointRow, on_delete=models.CASCADE, related_name="replays")
    since = models.DateTimeField()
    until = models.DateTimeField()
    topics = ArrayField(models.CharField(max_length=120))
    asked_at = models.DateTimeField()
    reached = models.UUIDField()
    count = models.PositiveIntegerField(default=0)
    is_done = models.BooleanField(default=False)

    class Meta:
        db_table = "webhooks_replay"
        verbose_name = "replay"
        indexes = [models.Index(fields=["id"], name="webhooks_replay_open", condition=models.Q(is_done=False))]


class ProgressRow(models.Model):
    """How far the feed was turned into deliveries: the only row, locked by who moves on."""

    id = models.PositiveSmallIntegerField(primary_key=True)
    position = models.BigIntegerField()

    class Meta:
        db_table = "webhooks_progress"
        constraints = [models.CheckConstraint(condition=models.Q(id=1), name="webhooks_progress_is_one_row")]
