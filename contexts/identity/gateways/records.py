"""What the rest of the house keeps about a person, as it declared."""

from collections.abc import Mapping
from uuid import UUID

from shared.privacy.registry import forget_all, show_all


class DeclaredRecords:
    """Everybody's records, through the kernel: identity knows nobody who keeps some."""

    def show(self, account_id: UUID) -> Mapping[str, object]:
        """Return what the others keep about the person, by kinds."""
        return show_all(account_id)

    def forget(self, account_id: UUID) -> None:
        """Have all others forget the person, or raise the refusal of who still needs the records."""
        forget_all(account_id)
