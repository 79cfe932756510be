"""Requests for links in PostgreSQL."""

from datetime import datetime
from uuid import UUID

from contexts.identity.domain import Email, LinkPurpose, LinkRequest
from contexts.identity.models import LinkRequestRow


class DjangoLinkRequests:
    """Requests for links in ``identity_link_request``."""

    def add(self, request: LinkRequest) -> None:
        """Store a new request."""
        LinkRequestRow.objects.create(
            id=request.id, purpose=request.purpose, email=request.email.text, asked_at=request.asked_at
        )

    def find(self, request_id: UUID) -> LinkRequest | None:
        """Return the request, unless it was forgotten."""
        row = LinkRequestRow.objects.filter(pk=request_id).first()
        if row is None:
            return None
        return LinkRequest(id=row.id, purpose=LinkPurpose(row.purpose), email=Email(row.email), asked_at=row.asked_at)

    def earlier_than(self, request: LinkRequest, *, since: datetime) -> int:
        """Return how often the same was asked for between that time and this request."""
        same = LinkRequestRow.objects.filter(email=request.email.text, purpose=request.purpose)
        return same.filter(asked_at__gte=since, asked_at__lt=request.asked_at).count()

    def forget(self, *, before: datetime) -> int:
        """Delete the requests from before that time, and tell how many they were."""
        return LinkRequestRow.objects.filter(asked_at__lt=before).delete()[0]
