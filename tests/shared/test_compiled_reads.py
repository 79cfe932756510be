from uuid import UUID, uuid4

import pytest
from django.db.transaction import TransactionManagementError

from shared.persistence.reads import CompiledRead
from shared.persistence.unit_of_work import atomic
from shared.saga.models import SagaRow

LOCKING = CompiledRead(lambda saga_id: SagaRow.objects.select_for_update().filter(id=saga_id), UUID(int=0))


@pytest.mark.django_db(transaction=True)
class TestLockingRead:
    def test_is_refused_where_it_would_lock_nothing(self) -> None:
        with atomic():
            assert LOCKING.first(uuid4()) is None

        with pytest.raises(TransactionManagementError):
            LOCKING.first(uuid4())
