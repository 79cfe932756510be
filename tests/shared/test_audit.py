"""A law that nobody has seen broken proves nothing: each is broken here on purpose, and found."""

from collections.abc import Sequence
from datetime import timedelta
from io import StringIO
from uuid import UUID

import orjson
import pytest
from django.core.management import call_command
from django.db import DatabaseError
from django.db.models.functions import Now

from contexts.inventory.domain import Allocation
from contexts.inventory.domain import OrderId as HoldingOrderId
from contexts.inventory.ports import OpeningStock
from contexts.inventory.repositories import DjangoLocations, DjangoStockItems
from contexts.ordering.repositories import DjangoOrders
from contexts.payments.domain import OrderId as PaidOrderId
from contexts.payments.repositories import DjangoPayments
from shared.audit import laws
from shared.audit.laws import OFFENDERS_SHOWN, Finding, Law, check_laws, declare, known_laws
from shared.idempotency.keys import Answer, claim, store_answer
from shared.outbox.relay import relay_pending_messages
from shared.persistence.unit_of_work import atomic
from shared.saga.models import SagaRow, SagaStepRow
from tests.ordering.builders import SHIRT, a_placed_order
from tests.ordering.builders import an_authorized_payment as noted_payment
from tests.payments.builders import a_voided_payment, an_authorized_payment
from tests.shared.database import execute
from tests.shared.fakes import NOON

CONFIRMED, PENDING, CANCELLED = UUID(int=1), UUID(int=2), UUID(int=3)

ADD_ENDPOINT = (
    "INSERT INTO webhooks_endpoint (id, owner_id, url, topics, email, secret, since, created_at, disabled_because,"
    " failures_in_a_row, version, sequence) VALUES (gen_random_uuid(), gen_random_uuid(), 'https://shop.example',"
    " ARRAY['ordering.order_placed.v1'], '', '', 0, now(), '', 0, 0, 0)"
)

#: How to break each law: statements that somebody with a console might run.
BROKEN: dict[str, Sequence[str]] = {
    "the units on hand are the sum of the movements": ["UPDATE inventory_stock_item SET on_hand = on_hand + 1"],
    "the units held are the sum of the open holds": ["UPDATE inventory_stock_item SET held = held - 1"],
    "no more is promised than is on hand or may be back-ordered": [
        "ALTER TABLE inventory_stock_item DROP CONSTRAINT inventory_stock_item_never_oversold",
        "UPDATE inventory_stock_item SET held = on_hand + backorder_limit + 1",
    ],
    "an order's total is its lines less discounts plus shipping and tax": [
        "UPDATE ordering_order_line SET quantity = quantity + 1 WHERE order_id = '{pending}'"
    ],
    "no more is shipped than was ordered, no more returned than was shipped": [
        "ALTER TABLE ordering_order_line DROP CONSTRAINT ordering_order_line_units_in_bounds",
        "UPDATE ordering_order_line SET shipped = quantity + 1 WHERE order_id = '{pending}'",
    ],
    "a payment is authorised, voided or failed exactly when its request to the provider says so": [
        "UPDATE payments_operation SET status = 'unknown' WHERE kind = 'authorize'"
    ],
    "a voided payment was voided with the provider": ["DELETE FROM payments_operation WHERE kind = 'void'"],
    "each confirmed order has its payment, of the same amount": [
        "UPDATE payments_payment SET amount_minor = amount_minor + 1 WHERE order_id = '{confirmed}'"
    ],
    "each confirmed order has all its units promised": [
        "UPDATE inventory_hold SET status = 'released' WHERE order_id = '{confirmed}'"
    ],
    "each promise of units and each payment has its order": [
        "UPDATE inventory_hold SET order_id = gen_random_uuid() WHERE order_id = '{pending}'"
    ],
    "a cancelled order keeps neither units nor money once its undoing is done": [
        "UPDATE payments_payment SET status = 'authorized' WHERE order_id = '{cancelled}'"
    ],
    "each order that is still pending has its checkout under way": ["UPDATE saga SET subject_id = gen_random_uuid()"],
    "each delivery that is not finished is due, and none is long overdue": [
        "UPDATE outbox_delivery SET due_at = now() - interval '11 minutes'"
    ],
    "no event has waited for a relay for more than ten minutes": [
        "UPDATE outbox_message SET pending = true, recorded_at = now() - interval '11 minutes'"
    ],
    "the events of each aggregate are counted without gaps": [
        "DELETE FROM outbox_delivery",
        "DELETE FROM outbox_message WHERE aggregate_id = '{confirmed}' AND aggregate_sequence = 1",
    ],
    "each event that was relayed has its place in the feed": [
        "UPDATE outbox_message SET position = NULL WHERE aggregate_id = '{confirmed}'"
    ],
    "the places of the feed are taken without gaps, and in the order of each aggregate": [
        "UPDATE outbox_message SET position = position + 1000 "
        "WHERE aggregate_id = '{confirmed}' AND aggregate_sequence = 1"
    ],
    "each event has one delivery for each webhook endpoint that listened to its topic": [
        ADD_ENDPOINT,
        "INSERT INTO webhooks_progress (id, position) SELECT 1, max(position) FROM outbox_message",
    ],
    "no event has waited for more than ten minutes to become deliveries to webhook endpoints": [
        ADD_ENDPOINT,
        "INSERT INTO webhooks_progress (id, position) VALUES (1, 0)",
        "UPDATE outbox_message SET recorded_at = now() - interval '11 minutes'",
    ],
    "each delivery to a webhook endpoint is told, dead, or still within its three days": [
        ADD_ENDPOINT,
        "UPDATE webhooks_endpoint SET disabled_because = 'gone'",
        "INSERT INTO webhooks_delivery "
        "(id, endpoint_id, event_id, topic, aggregate_id, aggregate_sequence, began_at, due_at) "
        "SELECT gen_random_uuid(), id, id, 'ordering.order_placed.v1', id, 1, now(), now() FROM webhooks_endpoint",
    ],
    "of a webhook endpoint that was removed an hour ago nothing is left": [
        ADD_ENDPOINT,
        "UPDATE webhooks_endpoint SET disabled_because = 'by_owner', removed_at = now() - interval '61 minutes'",
    ],
    "each process is finished, or has a lease or a due date": [
        "UPDATE saga SET due_at = now() - interval '11 minutes' WHERE status = 'running'"
    ],
    "a finished process has no step left open": ["UPDATE saga_step SET status = 'unknown'"],
    "the audit chain verifies": ["INSERT INTO audit_seal (stream, position, entry_digest) VALUES (7, 1, 'forged')"],
    "no audit entry has waited for its seal for more than a minute": [
        "INSERT INTO audit_entry (id, at, actor, action, subject_kind, subject_id, reason, correlation_id) "
        "VALUES (gen_random_uuid(), now(), 'staff:1', 'adjust', 'item', '1', '', '')",
        "ALTER TABLE audit_entry DISABLE TRIGGER audit_entry_is_append_only",
        "UPDATE audit_entry SET recorded_at = now() - interval '61 seconds'",
    ],
    "each idempotency key that was used has its answer": ["UPDATE idempotency_key SET status = NULL"],
}


@pytest.fixture
def house(db: None) -> None:
    """Have a confirmed, a pending and a cancelled order with all that belongs to them, in good order."""
    stock, orders, payments = DjangoStockItems(), DjangoOrders(), DjangoPayments()
    with atomic():
        DjangoLocations().ensure(code="berlin", name="Berlin", priority=1)
        stock.load([OpeningStock(sku=SHIRT, location="berlin", units=10)], at=NOON)
        (offer,) = stock.offers_of([SHIRT])
        item = stock.get(offer.stock_item_id)
        item.adjust(delta=-1, counted=None, reason="broken", at=NOON)
        stock.save(item)
    placed = {order_id: a_placed_order(id=order_id) for order_id in (CONFIRMED, PENDING, CANCELLED)}
    allocation = Allocation(stock_item_id=offer.stock_item_id, sku=SHIRT, quantity=2)
    for order_id, order in placed.items():
        with atomic():
            expires_at = NOON + timedelta(minutes=15)
            stock.hold(order_id=HoldingOrderId(order_id), allocations=[allocation], expires_at=expires_at)
            orders.save(order)
    with atomic():
        stock.harden_holds_of(HoldingOrderId(CONFIRMED), at=NOON)
        payments.save(an_authorized_payment(order_id=PaidOrderId(CONFIRMED)))
        placed[CONFIRMED].confirm(payment=noted_payment(amount=placed[CONFIRMED].total), at=NOON)
        orders.save(placed[CONFIRMED])
        process = SagaRow.objects.create(
            name="ordering.checkout",
            subject_id=CONFIRMED,
            status="completed",
            data={},
            deadline_at=Now(),
            finished_at=Now(),
        )
        SagaStepRow.objects.create(saga=process, name="authorize_payment", status="done")
    SagaRow.objects.create(name="ordering.checkout", subject_id=PENDING, data={}, deadline_at=Now(), due_at=Now())
    with atomic():
        stock.release_holds_of(HoldingOrderId(CANCELLED))
        voided = a_voided_payment(order_id=PaidOrderId(CANCELLED))
        for operation in voided.operations.values():
            operation.key = f"another {operation.kind}"
        payments.save(voided)
        placed[CANCELLED].cancel(reason="changed my mind", at=NOON)
        orders.save(placed[CANCELLED])
    with atomic():
        claim(caller="customer:1", key="k-1", fingerprint="f-1")
        store_answer(caller="customer:1", key="k-1", fingerprint="f", answer=Answer(status=204, headers={}, body=b""))
    relay_pending_messages()
    execute("SET CONSTRAINTS ALL IMMEDIATE")


@pytest.fixture
def own_laws(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have no laws but those of the test, and forget them after it."""
    monkeypatch.setattr(laws, "_laws", {})


def broken_ones() -> list[Finding]:
    """Return what the audit found broken."""
    return [finding for finding in check_laws() if not finding.holds]


def break_law(title: str) -> None:
    """Do what breaks the law."""
    for statement in BROKEN[title]:
        execute(statement.format(confirmed=CONFIRMED, pending=PENDING, cancelled=CANCELLED))


@pytest.mark.usefixtures("house")
class TestLaws:
    def test_hold_in_a_house_in_good_order(self) -> None:
        assert broken_ones() == []
        assert len(check_laws()) == len(known_laws()) >= len(BROKEN)

    @pytest.mark.parametrize("title", BROKEN)
    def test_are_found_broken(self, title: str) -> None:
        break_law(title)

        (finding,) = [found for found in broken_ones() if found.law.title == title]
        assert finding.broken_by == len(finding.offenders) > 0
        assert all(what and why for what, why in finding.offenders)

    def test_name_the_offender_and_what_is_wrong_with_it(self) -> None:
        execute("UPDATE inventory_stock_item SET on_hand = on_hand + 1")

        (finding,) = broken_ones()
        assert finding.law.number == 1
        ((_, why),) = finding.offenders
        assert why == f"{SHIRT} has 10 on hand, its movements add up to 9"

    def test_have_all_been_seen_broken(self) -> None:
        assert {law.title for law in known_laws()} == set(BROKEN)


class TestDeclare:
    @pytest.mark.usefixtures("own_laws")
    def test_keeps_laws_in_the_order_of_their_numbers(self) -> None:
        second, first = a_law(number=2, title="b"), a_law(number=1, title="z")

        declare(second, first)

        assert known_laws() == (first, second)

    @pytest.mark.usefixtures("own_laws")
    def test_of_two_laws_with_one_title_is_refused(self) -> None:
        declare(a_law(number=1, title="a"))

        with pytest.raises(ValueError, match="two laws are numbered 1 and titled 'a'; rename one"):
            declare(a_law(number=1, title="a"))


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("own_laws")
class TestCheck:
    def test_counts_all_offenders_but_shows_only_some(self) -> None:
        declare(a_law(offenders="SELECT n::text, 'is odd' FROM generate_series(1, 199, 2) AS n"))

        (finding,) = check_laws()

        assert (finding.broken_by, len(finding.offenders)) == (100, OFFENDERS_SHOWN)
        assert finding.offenders[0] == ("1", "is odd")

    def test_never_writes(self) -> None:
        declare(a_law(offenders="SELECT nextval('outbox_delivery_id_seq')::text, 'wrote'"))

        with pytest.raises(DatabaseError, match="read-only transaction"):
            check_laws()

    def test_leaves_the_connection_able_to_write(self) -> None:
        declare(a_law())
        check_laws()

        assert execute("UPDATE idempotency_key SET status = NULL") == 0


@pytest.mark.django_db
@pytest.mark.usefixtures("own_laws")
class TestCommand:
    def test_ends_well_when_all_laws_hold(self) -> None:
        declare(a_law(title="all is well"))

        assert run_audit() == (0, f"  law 1  {'all is well':<72} holds\n1 laws checked, 0 broken.\n")

    def test_ends_with_1_and_the_offenders_when_one_is_broken(self) -> None:
        declare(a_law(title="all is well"), a_law(number=2, title="nothing is odd", offenders="SELECT '7', 'is odd'"))

        status, said = run_audit()

        assert status == 1
        assert "nothing is odd" in said
        assert "BROKEN by 1\n           7: is odd\n2 laws checked, 1 broken.\n" in said

    def test_speaks_to_programs_too(self) -> None:
        declare(a_law(title="nothing is odd", offenders="SELECT '7', 'is odd'"))

        status, said = run_audit("--json")

        assert status == 1
        (found,) = orjson.loads(said)
        assert found.pop("seconds") >= 0
        assert found == {
            "law": 1,
            "title": "nothing is odd",
            "holds": False,
            "broken_by": 1,
            "offenders": [{"what": "7", "why": "is odd"}],
        }


def a_law(*, number: int = 1, title: str = "a", offenders: str = "SELECT '', '' WHERE false") -> Law:
    """Build a law that holds, unless told otherwise."""
    return Law(number=number, title=title, offenders=offenders)


def run_audit(*arguments: str) -> tuple[int, str]:
    """Run the command and return its exit status and what it printed."""
    said, status = StringIO(), 0
    try:
        call_command("audit", *arguments, stdout=said)
    except SystemExit as end:
        status = int(str(end.code))
    return status, said.getvalue()
