import pytest
from django.db import transaction

from shared.domain.ports import UnitOfWork
from shared.persistence.unit_of_work import atomic, savepoint
from shared.resilience.guard import CalledInsideTransaction, outside_transactions, refuse_inside_transaction


class Vendor:
    """Somebody on the other end of a wire."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    @outside_transactions
    def tell(self, word: str, *, times: int = 1) -> str:
        """Send the word."""
        self.heard.append(word)
        return word * times


@pytest.mark.django_db(transaction=True)
class TestGuard:
    def test_lets_a_vendor_be_called_outside_transactions(self) -> None:
        vendor = Vendor()

        assert vendor.tell("ha", times=2) == "haha"
        assert Vendor.tell.__doc__ == "Send the word."

    @pytest.mark.parametrize("block", [atomic, transaction.atomic])
    def test_refuses_to_call_a_vendor_inside_one(self, block: UnitOfWork) -> None:
        vendor = Vendor()

        with pytest.raises(CalledInsideTransaction, match="commit first, then call"), block():
            vendor.tell("ha")

        assert vendor.heard == []

    def test_refuses_inside_a_part_of_one_too(self) -> None:
        with pytest.raises(CalledInsideTransaction), atomic(), savepoint():
            refuse_inside_transaction()

    def test_is_content_again_once_the_transaction_is_over(self) -> None:
        with atomic():
            pass

        refuse_inside_transaction()


@pytest.mark.django_db
class TestGuardInTests:
    def test_does_not_count_the_transaction_around_a_test(self) -> None:
        refuse_inside_transaction()

    def test_counts_every_other_one(self) -> None:
        with pytest.raises(CalledInsideTransaction), atomic():
            refuse_inside_transaction()
