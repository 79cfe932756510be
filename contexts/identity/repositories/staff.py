"""Members of staff in PostgreSQL: their roles are groups of Django's."""

from uuid import UUID

from django.contrib.postgres.aggregates import ArrayAgg
from django.db.models import Q

from contexts.identity.domain import Staff
from contexts.identity.models import AccountRow


class DjangoStaffList:
    """Staff in ``identity_account`` and its groups."""

    def find(self, account_id: UUID) -> Staff | None:
        """Return the roles of an active member of staff, as they are at present, in one statement."""
        found = (
            AccountRow.objects.filter(pk=account_id, is_active=True, is_staff=True)
            .annotate(roles=ArrayAgg("groups__name", filter=Q(groups__name__isnull=False), default=[]))
            .values_list("is_superuser", "roles")
            .first()
        )
        return Staff(is_superuser=found[0], roles=frozenset(found[1])) if found else None
