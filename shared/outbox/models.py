from django.db import models
from django.db.models.functions import Now

#: An event that waits for its relay has no place, so that storing it costs no index entry.
HAS_PLACE = models.Q(position__isnull=False)


class MessageColumns(models.Model):
    """What is kept of an event; its position is its place in the feed, from the moment that a relay takes it."""

    id = models.UUIDField(primary_key=True)
    topic = models.CharField(max_length=120)
    aggregate_id = models.UUIDField()
    aggregate_sequence = models.PositiveIntegerField()
    payload = models.JSONField()
    occurred_at = models.DateTimeField()
    recorded_at = models.DateTimeField(db_default=Now())
    correlation_id = models.CharField(max_length=64, blank=True)
    causation_id = models.CharField(max_length=64, blank=True)
    traceparent = models.CharField(max_length=64, blank=True)
    actor = models.CharField(max_length=80)
    position = models.BigIntegerField(null=True)

    class Meta:
        abstract = True


class OutboxMessageRow(MessageColumns):
    """An event, stored in the transaction of the state that it tells of."""

    pending = models.BooleanField(db_default=True)

    class Meta:
        db_table = "outbox_message"
        verbose_name = "event"
        constraints = [
            models.UniqueConstraint(
                fields=["aggregate_id", "aggregate_sequence"], name="outbox_message_sequence_is_gap_free"
            ),
        ]
        indexes = [
            models.Index(fields=["id"], name="outbox_message_pending", condition=models.Q(pending=True)),
            models.Index(
                fields=["aggregate_id", "aggregate_sequence"],
                name="outbox_message_turn",
                condition=models.Q(pending=True),
            ),
            models.Index(fields=["position"], name="outbox_message_place", condition=HAS_PLACE),
            models.Index(fields=["topic", "position"], name="outbox_message_feed", condition=HAS_PLACE),
        ]


class ArchivedMessageRow(MessageColumns):
    """An event that everybody has been told of long ago."""

    class Meta:
        db_table = "outbox_message_archive"
        verbose_name = "archived event"
        constraints = [
            models.UniqueConstraint(
                fields=["aggregate_id", "aggregate_sequence"], name="outbox_message_archive_has_each_once"
            ),
        ]
        indexes = [
            models.Index(fields=["position"], name="outbox_message_archive_place", condition=HAS_PLACE),
            models.Index(fields=["topic", "position"], name="outbox_message_archive_feed", condition=HAS_PLACE),
        ]


class FeedEndRow(models.Model):
    """The last place of the feed that was given: the only row; who holds its lock gives the next ones."""

    id = models.PositiveSmallIntegerField(primary_key=True)
    position = models.BigIntegerField()

    class Meta:
        db_table = "outbox_feed_end"
        constraints = [models.CheckConstraint(condition=models.Q(id=1), name="outbox_feed_end_is_one_row")]


class DeliveryRow(models.Model):
    """One message for one subscription: inbox, retry counter and dead letter in one.

    Aggregate and sequence are the message's, copied for subscriptions that are told in order, and null for others.
    """

    class Status(models.TextChoices):
        PENDING = "pending"
        DONE = "done"
        DEAD = "dead"
        DROPPED = "dropped"

    id = models.BigAutoField(primary_key=True)
    message = models.ForeignKey(OutboxMessageRow, on_delete=models.PROTECT, related_name="deliveries", db_index=False)
    subscription = models.CharField(max_length=120)
    status = models.CharField(max_length=8, choices=Status, db_default=Status.PENDING)
    attempts = models.PositiveSmallIntegerField(db_default=0)
    due_at = models.DateTimeField()
    last_error = models.TextField(blank=True)
    finished_at = models.DateTimeField(null=True)
    aggregate_id = models.UUIDField(null=True)
    aggregate_sequence = models.PositiveIntegerField(null=True)
    waits = models.BooleanField(db_default=False)

    class Meta:
        db_table = "outbox_delivery"
        verbose_name = "delivery"
        verbose_name_plural = "deliveries"
        constraints = [
            models.UniqueConstraint(fields=["message", "subscription"], name="outbox_delivery_once_per_message"),
            models.CheckConstraint(
                condition=models.Q(status="pending", finished_at=None)
                | models.Q(status__in=("done", "dead", "dropped"), finished_at__isnull=False),
                name="outbox_delivery_finished_or_pending",
            ),
        ]
        indexes = [
            models.Index(fields=["due_at"], name="outbox_delivery_due", condition=models.Q(status="pending")),
            models.Index(fields=["id"], name="outbox_delivery_dead", condition=models.Q(status="dead")),
            models.Index(
                fields=["aggregate_id", "subscription", "aggregate_sequence"],
                name="outbox_delivery_turn",
                condition=models.Q(status="pending", aggregate_id__isnull=False),
            ),
        ]
