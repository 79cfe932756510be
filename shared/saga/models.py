from django.db import models
from django.db.models.functions import Now

from shared.persistence.identifiers import new_id


class SagaRow(models.Model):
    """A durable process about one aggregate."""

    class Status(models.TextChoices):
        RUNNING = "running"
        UNDOING = "undoing"
        COMPLETED = "completed"
        UNDONE = "undone"

    id = models.UUIDField(primary_key=True, default=new_id)
    name = models.CharField(max_length=80)
    subject_id = models.UUIDField()
    status = models.CharField(max_length=12, choices=Status, db_default=Status.RUNNING)
    stage = models.PositiveSmallIntegerField(db_default=0)
    reached = models.PositiveSmallIntegerField(db_default=0)
    data = models.JSONField()
    reason = models.CharField(max_length=80, blank=True)
    attempts = models.PositiveIntegerField(db_default=0)
    failures = models.PositiveIntegerField(db_default=0)
    due_at = models.DateTimeField(null=True)
    leased_until = models.DateTimeField(null=True)
    lease = models.UUIDField(null=True)
    deadline_at = models.DateTimeField()
    last_error = models.TextField(blank=True)
    correlation_id = models.CharField(max_length=64, blank=True)
    traceparent = models.CharField(max_length=64, blank=True)
    actor = models.CharField(max_length=80)
    created_at = models.DateTimeField(db_default=Now())
    finished_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "saga"
        verbose_name = "process"
        verbose_name_plural = "processes"
        constraints = [
            models.UniqueConstraint(fields=["subject_id", "name"], name="saga_once_per_subject"),
            models.CheckConstraint(
                condition=models.Q(status__in=("running", "undoing"), finished_at=None, due_at__isnull=False)
                | models.Q(status__in=("completed", "undone"), finished_at__isnull=False, due_at=None),
                name="saga_is_finished_or_due",
            ),
        ]
        indexes = [
            models.Index(fields=["due_at"], name="saga_due", condition=models.Q(status__in=("running", "undoing"))),
        ]


class SagaStepRow(models.Model):
    """What became of one step; for a remote step the row is its intent, committed before the call."""

    class Status(models.TextChoices):
        INTENDED = "intended"
        UNKNOWN = "unknown"
        DONE = "done"
        REFUSED = "refused"
        SKIPPED = "skipped"

    id = models.BigAutoField(primary_key=True)
    saga = models.ForeignKey(SagaRow, on_delete=models.CASCADE, related_name="steps", db_index=False)
    name = models.CharField(max_length=80)
    status = models.CharField(max_length=8, choices=Status)
    key = models.CharField(max_length=200, blank=True)
    attempts = models.PositiveIntegerField(db_default=0)
    error = models.TextField(blank=True)
    started_at = models.DateTimeField(db_default=Now())
    finished_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "saga_step"
        verbose_name = "step"
        constraints = [
            models.UniqueConstraint(fields=["saga", "name"], name="saga_step_once_per_saga"),
        ]
