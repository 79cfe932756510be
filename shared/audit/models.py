from django.db import models
from django.db.models.functions import Now

from shared.persistence.identifiers import new_id


class AuditEntryRow(models.Model):
    """Who changed what, when and why; the database numbers it in a stream and chains it to the entry before."""

    id = models.UUIDField(primary_key=True, default=new_id)
    at = models.DateTimeField()
    recorded_at = models.DateTimeField(db_default=Now())
    actor = models.CharField(max_length=80)
    action = models.CharField(max_length=120)
    subject_kind = models.CharField(max_length=80)
    subject_id = models.CharField(max_length=80)
    before = models.JSONField(null=True)
    after = models.JSONField(null=True)
    reason = models.TextField(blank=True)
    correlation_id = models.CharField(max_length=64, blank=True)
    stream = models.BigIntegerField(db_default=0, help_text="set by the database")
    position = models.BigIntegerField(db_default=0, help_text="from 1 without gaps; set by the database")
    digest = models.BinaryField(db_default=b"", help_text="over the one before and all columns; set by the database")

    class Meta:
        db_table = "audit_entry"
        verbose_name = "audit entry"
        verbose_name_plural = "audit entries"
        constraints = [
            models.UniqueConstraint(fields=["stream", "position"], name="audit_entry_one_per_position"),
        ]
        indexes = [
            models.Index(fields=["subject_kind", "subject_id", "id"], name="audit_entry_of_subject"),
        ]


class AuditStreamRow(models.Model):
    """The end of a chain: how many links it has, and the digest of the last. Written by triggers only.

    Chains of entries have positive ids, one per writer at a time; 0 is the chain of seals, -1 that of checkpoints.
    """

    id = models.BigAutoField(primary_key=True)
    entries = models.BigIntegerField()
    digest = models.BinaryField()

    class Meta:
        db_table = "audit_stream"


class AuditSealRow(models.Model):
    """How far one stream had come when it was sealed: a link of the one chain that holds all streams together."""

    sequence = models.BigIntegerField(primary_key=True, db_default=0, help_text="gap-free; set by the database")
    stream = models.BigIntegerField()
    position = models.BigIntegerField()
    entry_digest = models.BinaryField()
    sealed_at = models.DateTimeField(db_default=Now())
    digest = models.BinaryField(db_default=b"", help_text="set by the database")

    class Meta:
        db_table = "audit_seal"
        constraints = [
            models.UniqueConstraint(fields=["stream", "position"], name="audit_seal_once_per_position"),
        ]


class AuditCheckpointRow(models.Model):
    """Up to which seal the chain was read and found whole; the next verification begins there."""

    sequence = models.BigIntegerField(primary_key=True, db_default=0, help_text="gap-free; set by the database")
    seal_sequence = models.BigIntegerField(unique=True)
    seal_digest = models.BinaryField()
    verified_at = models.DateTimeField(db_default=Now())
    digest = models.BinaryField(db_default=b"", help_text="set by the database")

    class Meta:
        db_table = "audit_checkpoint"


class AuditRunRow(models.Model):
    """One check of all laws by the schedule; it stays unfinished where its worker was killed."""

    id = models.BigAutoField(primary_key=True)
    started_at = models.DateTimeField(db_default=Now())
    finished_at = models.DateTimeField(null=True)
    findings = models.JSONField(default=list)

    class Meta:
        db_table = "audit_run"
        verbose_name = "check of the laws"
        verbose_name_plural = "checks of the laws"
