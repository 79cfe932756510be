"""A person's right to see what is kept about them, and to have it forgotten (GDPR, articles 15, 17 and 20)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from contexts.identity.domain import AccountNotActive
from contexts.identity.ports import Accounts, OthersRecords, OwnRecords
from shared.domain.errors import ConflictError
from shared.domain.ports import AuditTrail, Clock, UnitOfWork

#: An access token may still be used for a quarter of an hour after its account was erased.
WATCHED_FOR = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class ExportPersonalData:
    """Show a person all that is kept about them."""

    own: OwnRecords
    others: OthersRecords

    def __call__(self, *, account_id: UUID) -> Mapping[str, object]:
        """Return it by kinds, or raise AccountNotActive."""
        own = self.own.show(account_id)
        if own is None:
            raise AccountNotActive
        return {**own, **self.others.show(account_id)}


@dataclass(frozen=True, slots=True)
class EraseCustomer:
    """Forget a customer; the orders stay, and nobody can tell any more whose they were."""

    accounts: Accounts
    own: OwnRecords
    others: OthersRecords
    record_change: AuditTrail
    unit_of_work: UnitOfWork
    now: Clock

    def __call__(self, *, account_id: UUID, reason: str | None = None) -> None:
        """Erase the account, or raise AccountNotFound, StaffNotErasable, or what else keeps records for a while.

        With a reason it is an operator's deed, which the audit trail notes.
        """
        with self.unit_of_work():
            account = self.accounts.get(account_id)
            if account.erased_at is not None:
                return
            self.others.forget(account_id)
            self.own.forget(account)
            account.erase(at=self.now())
            self.accounts.save(account)
            if reason is not None:
                self.record_change(
                    action="identity.erase_customer",
                    subject_kind="customer",
                    subject_id=str(account_id),
                    before={"erased": False},
                    after={"erased": True},
                    reason=reason,
                )


@dataclass(frozen=True, slots=True)
class FinishErasures:
    """Forget what came in with a token that outlived its account by minutes."""

    own: OwnRecords
    others: OthersRecords
    unit_of_work: UnitOfWork
    now: Clock

    def __call__(self) -> None:
        """Look at each account that was erased within a day; what is still needed is forgotten at a later run."""
        for account_id in self.own.erased_since(self.now() - WATCHED_FOR):
            try:
                with self.unit_of_work():
                    self.others.forget(account_id)
            except ConflictError:
                continue
