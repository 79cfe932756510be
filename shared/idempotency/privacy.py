"""Answers that were kept for retries may hold what a person once sent."""

from uuid import UUID

from shared.idempotency.models import IdempotencyKeyRow
from shared.privacy.registry import PersonalRecords, declare


def forget_answers_to(person_id: UUID) -> None:
    """Delete the keys of a person, with the answers that they got."""
    IdempotencyKeyRow.objects.filter(caller=f"customer:{person_id}").delete()


declare(PersonalRecords(name="idempotency", forget=forget_answers_to))
