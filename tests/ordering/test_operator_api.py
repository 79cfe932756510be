"""Orders as an operator's program sees them."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from contexts.ordering.domain import CustomerId, OrderPayment, PaymentStatus
from contexts.ordering.models import NoteRow, OrderRow
from contexts.ordering.repositories import DjangoOrders
from contexts.ordering.wiring import forget_customer
from contexts.payments import domain as payments
from contexts.payments.repositories import DjangoPayments
from shared.audit.models import AuditEntryRow
from shared.domain.money import Money
from shared.persistence.unit_of_work import atomic
from tests.ordering.builders import (
    MUG,
    SHIRT,
    a_cancelled_order,
    a_confirmed_order,
    a_customer_id,
    a_pending_order,
    a_placed_order,
    a_shipped_order,
    an_address,
    an_authorized_payment,
    an_order_request,
)
from tests.payments.builders import an_attempted_payment, an_outcome
from tests.shared.fakes import NOON
from tests.shop import Shop, a_customer, a_key, open_shop

pytestmark = pytest.mark.django_db

LIST = "/api/ops/v1/orders"


@pytest.fixture
def shop() -> Shop:
    """Open a shop."""
    return open_shop()


@pytest.fixture
def operator() -> Shop:
    """Return somebody who may do everything, where there is nothing yet."""
    return Shop(key=a_key("ops:*"))


@pytest.fixture
def order(shop: Shop) -> dict[str, Any]:
    """Place an order."""
    placed: dict[str, Any] = shop.place().json()
    return placed


def keep(order: Any) -> UUID:
    """Store an order as its repository does."""
    with atomic():
        DjangoOrders().save(order)
    return UUID(str(order.id))


def ids_of(answer: Any) -> list[UUID]:
    """Return which orders a list answered with."""
    assert answer.status_code == 200, answer.content
    return [UUID(each["id"]) for each in answer.json()["items"]]


def code_of(answer: Any) -> tuple[int, str]:
    """Return status and code of a problem."""
    assert answer["Content-Type"] == "application/problem+json"
    return answer.status_code, answer.json()["code"]


def cancel(shop: Shop, order: dict[str, Any], *, match: str = "*", **options: Any) -> Any:
    """Cancel an order that was seen at some version."""
    headers = {"If-Match": match} if match else {}
    return shop.post(f"{LIST}/{order['id']}/cancel", {"reason": "ordered twice"}, **options, **headers)


def write(shop: Shop, order: dict[str, Any], text: str = "Call first.", *, match: str = "*", **options: Any) -> Any:
    """Write a note about an order that was seen at some version."""
    headers = {"If-Match": match} if match else {}
    return shop.post(f"{LIST}/{order['id']}/notes", {"text": text}, **options, **headers)


class TestList:
    def test_pages_the_newest_first(self, operator: Shop) -> None:
        kept = [keep(a_placed_order(at=NOON + timedelta(minutes=minute))) for minute in range(3)]

        first = operator.get(LIST, {"limit": 2}).json()
        second = operator.get(LIST, {"limit": 2, "cursor": first["next_cursor"]}).json()

        assert [UUID(each["id"]) for each in first["items"] + second["items"]] == kept[::-1]
        assert second["next_cursor"] is None

    def test_pages_through_orders_of_one_moment(self, operator: Shop) -> None:
        kept = {keep(a_placed_order()) for _ in range(3)}
        seen: list[UUID] = []
        cursor: dict[str, Any] = {}
        for _ in range(3):
            page = operator.get(LIST, {"limit": 1, **cursor})
            seen += ids_of(page)
            cursor = {"cursor": page.json()["next_cursor"]}

        assert (set(seen), len(seen)) == (kept, 3)

    def test_shows_what_clients_see_and_whose_it_is(self, shop: Shop, order: dict[str, Any]) -> None:
        (shown,) = shop.get(LIST).json()["items"]

        assert shown == order | {"customer_id": None}

    @pytest.mark.parametrize(
        ("query", "found"),
        [
            ({"status": "cancelled"}, "cancelled"),
            ({"status": "confirmed", "payment_status": "authorized", "fulfillment_status": "unfulfilled"}, "confirmed"),
            ({"payment_status": "failed"}, "declined"),
            ({"fulfillment_status": "shipped"}, "shipped"),
        ],
    )
    def test_finds_by_status(self, operator: Shop, query: dict[str, str], found: str) -> None:
        declined = a_placed_order()
        nothing = Money.zero("EUR")
        declined.note_payment(
            OrderPayment(id=None, status=PaymentStatus.FAILED, authorized=nothing, captured=nothing, refunded=nothing)
        )
        kept = {
            "cancelled": keep(a_cancelled_order()),
            "confirmed": keep(a_confirmed_order()),
            "declined": keep(declined),
            "shipped": keep(a_shipped_order()),
        }

        assert ids_of(operator.get(LIST, query)) == [kept[found]]

    @pytest.mark.parametrize(
        "query",
        [
            {"placed_from": "2026-03-02T12:00:00Z", "placed_before": "2026-03-02T12:00:01Z"},
            {"placed_from": "2026-03-02", "placed_before": "2026-03-03"},
            {"placed_from": "2026-03-02T13:00:00+01:00", "placed_before": "2026-03-02T18:00:00Z"},
        ],
    )
    def test_finds_by_when_it_was_placed(self, operator: Shop, query: dict[str, str]) -> None:
        kept = keep(a_placed_order(at=NOON))
        for other in (timedelta(days=-1), timedelta(days=1)):
            keep(a_placed_order(at=NOON + other))

        assert ids_of(operator.get(LIST, query)) == [kept]

    def test_finds_by_customer_email_and_sku(self, operator: Shop) -> None:
        customer = a_customer_id()
        kept = keep(
            a_placed_order(customer_id=customer, request=an_order_request(lines={MUG: 1}, email="Mia@Example.com"))
        )
        keep(a_placed_order(request=an_order_request(lines={SHIRT: 1})))

        for query in ({"customer_id": str(customer)}, {"email": "mia@example.COM"}, {"sku": MUG}):
            assert ids_of(operator.get(LIST, query)) == [kept]
        assert ids_of(operator.get(LIST, {"sku": MUG, "email": "ada@example.com"})) == []

    def test_finds_an_order_with_two_lines_of_a_sku_once(self, operator: Shop) -> None:
        kept = keep(a_placed_order(request=an_order_request(lines=((MUG, 1), (MUG, 2)))))

        assert ids_of(operator.get(LIST, {"sku": MUG})) == [kept]

    def test_finds_by_total_in_one_currency(self, operator: Shop) -> None:
        cheap = keep(a_placed_order(request=an_order_request(lines={SHIRT: 1})))  # 24.90
        dear = keep(a_placed_order(request=an_order_request(lines={SHIRT: 3})))  # 64.90

        assert ids_of(operator.get(LIST, {"total_min": "24.90", "total_max": "24.90"})) == [cheap]
        assert ids_of(operator.get(LIST, {"total_min": "24.91"})) == [dear]
        assert ids_of(operator.get(LIST, {"total_min": "0", "currency": "USD"})) == []
        assert set(ids_of(operator.get(LIST, {"currency": "EUR"}))) == {cheap, dear}

    @pytest.mark.parametrize(
        "text", ["grace", "Hopper", "hop gra", "navy.example", "GRACE@navy.example.com", "hopper, grace", "  GRACE "]
    )
    def test_finds_by_words_of_name_and_email(self, operator: Shop, text: str) -> None:
        kept = keep(
            a_placed_order(
                request=an_order_request(
                    email="grace@navy.example.com", shipping_address=an_address(name="Grace Hopper")
                )
            )
        )
        keep(a_placed_order())

        assert ids_of(operator.get(LIST, {"q": text})) == [kept]

    def test_finds_words_in_any_script(self, operator: Shop) -> None:
        kept = keep(a_placed_order(request=an_order_request(shipping_address=an_address(name="Søren Ørsted Łódź"))))

        for text in ("ørs", "ŁÓDŹ", "søren łódź"):
            assert ids_of(operator.get(LIST, {"q": text})) == [kept]

    @pytest.mark.parametrize("text", ["race", "grace lovelace", "!", "&|:*", "'", "\\", "u:*"])
    def test_finds_nothing_that_does_not_match(self, operator: Shop, text: str) -> None:
        keep(a_placed_order(request=an_order_request(shipping_address=an_address(name="Grace Hopper"))))

        assert ids_of(operator.get(LIST, {"q": text})) == []

    def test_finds_by_how_a_number_begins_as_people_type_it(self, operator: Shop) -> None:
        order = a_placed_order(id=UUID(int=0x1A2B3C4D5E6F708))
        keep(order)
        keep(a_placed_order(id=UUID(int=0x7A2B3C4D5E6F708)))
        number = order.number

        spellings = (number, number.lower(), number.replace("-", ""), number.replace("-", " "), number[:7])
        for text in (*spellings, number.replace("1", "I").replace("0", "o")):
            assert ids_of(operator.get(LIST, {"q": text})) == [order.id], text

    @pytest.mark.parametrize(
        "query",
        [
            {"limit": 0},
            {"limit": 101},
            {"limit": "abc"},
            {"cursor": "?"},
            {"cursor": "WyJ4IiwieSJd"},
            {"status": "lost"},
            {"placed_from": "yesterday"},
            {"customer_id": "7"},
            {"total_min": "-1"},
            {"total_min": "1.999"},
            {"total_min": "1", "currency": "euro"},
            {"q": "x" * 101},
            {"colour": "red"},
        ],
    )
    def test_refuses_a_malformed_query(self, operator: Shop, query: dict[str, Any]) -> None:
        assert code_of(operator.get(LIST, query))[0] == 422


class TestGet:
    def test_shows_the_order_with_its_version(self, shop: Shop, order: dict[str, Any]) -> None:
        answer = shop.get(f"{LIST}/{order['id']}")

        assert (answer.status_code, answer["ETag"]) == (200, '"v1"')
        assert answer.json() == order | {"customer_id": None}

    def test_sends_nothing_when_it_is_unchanged(self, shop: Shop, order: dict[str, Any]) -> None:
        answer = shop.get(f"{LIST}/{order['id']}", None, **{"If-None-Match": '"v1"'})

        assert (answer.status_code, answer.content) == (304, b"")

    def test_tells_whose_it_is(self, shop: Shop) -> None:
        customer_id, token = a_customer()
        order = shop.place(as_=token).json()

        assert shop.get(f"{LIST}/{order['id']}").json()["customer_id"] == str(customer_id)
        assert ids_of(shop.get(LIST, {"customer_id": str(customer_id)})) == [UUID(order["id"])]
        assert ids_of(shop.get(f"/api/ops/v1/customers/{customer_id}/orders")) == [UUID(order["id"])]
        assert ids_of(shop.get(f"/api/ops/v1/customers/{uuid4()}/orders")) == []

    def test_of_an_unknown_order_is_not_found(self, shop: Shop) -> None:
        for path in ("", "/timeline", "/notes"):
            assert code_of(shop.get(f"{LIST}/{uuid4()}{path}")) == (404, "order_not_found")


class TestCancel:
    def test_gives_the_order_up(self, shop: Shop, order: dict[str, Any]) -> None:
        answer = cancel(shop, order, match='"v1"')

        assert (answer.status_code, answer["ETag"]) == (200, '"v2"')
        assert (answer.json()["status"], answer.json()["cancel_reason"]) == ("cancelled", "ordered twice")

    def test_is_audited_with_who_and_why(self, shop: Shop, order: dict[str, Any]) -> None:
        cancel(shop, order)

        entry = AuditEntryRow.objects.get(action="ordering.cancel_order", subject_id=order["id"])
        assert (entry.before, entry.after, entry.reason) == (
            {"status": "pending"},
            {"status": "cancelled"},
            "ordered twice",
        )
        assert entry.actor.startswith("key:")

    def test_happens_once_per_key(self, shop: Shop, order: dict[str, Any]) -> None:
        first = cancel(shop, order, match='"v1"', key="k")
        second = cancel(shop, order, match='"v1"', key="k")

        assert (second.content, second["ETag"]) == (first.content, '"v2"')
        assert second["Idempotency-Replayed"] == "true"

    def test_is_refused_when_somebody_changed_it_meanwhile(self, shop: Shop, order: dict[str, Any]) -> None:
        write(shop, order)

        assert code_of(cancel(shop, order, match='"v1"')) == (412, "version_mismatch")
        assert OrderRow.objects.get(id=order["id"]).status == "pending"

    def test_needs_the_version_that_was_seen(self, shop: Shop, order: dict[str, Any]) -> None:
        assert code_of(cancel(shop, order, match="")) == (428, "if_match_required")
        assert code_of(cancel(shop, order, match="v1")) == (422, "invalid_if_match")

    def test_needs_a_key(self, shop: Shop, order: dict[str, Any]) -> None:
        assert code_of(cancel(shop, order, key="")) == (400, "idempotency_key_required")

    def test_is_refused_once_shipped(self, operator: Shop) -> None:
        order = {"id": keep(a_shipped_order())}

        assert code_of(cancel(operator, order)) == (409, "order_already_shipped")

    @pytest.mark.parametrize("body", [{}, {"reason": ""}, {"reason": "x" * 201}, {"reason": "x", "colour": "red"}, []])
    def test_is_refused_when_it_makes_no_sense(self, shop: Shop, order: dict[str, Any], body: Any) -> None:
        assert code_of(shop.post(f"{LIST}/{order['id']}/cancel", body, **{"If-Match": "*"}))[0] == 422

    def test_of_an_unknown_order_is_not_found(self, shop: Shop) -> None:
        assert code_of(cancel(shop, {"id": uuid4()})) == (404, "order_not_found")


class TestNotes:
    def test_are_kept_with_their_author_the_newest_first(self, shop: Shop, order: dict[str, Any]) -> None:
        first, second = write(shop, order, "one", match='"v1"'), write(shop, order, "two", match='"v2"')

        assert (first.status_code, second.status_code) == (201, 201)
        listed = shop.get(f"{LIST}/{order['id']}/notes").json()
        assert listed["items"] == [second.json(), first.json()]
        assert first.json()["author"].startswith("key:")
        written_at = datetime.fromisoformat(first.json()["written_at"])
        assert written_at.tzinfo == UTC

    def test_are_listed_in_pages(self, shop: Shop, order: dict[str, Any]) -> None:
        for text in ("one", "two", "three"):
            write(shop, order, text)
        first = shop.get(f"{LIST}/{order['id']}/notes", {"limit": 2}).json()
        second = shop.get(f"{LIST}/{order['id']}/notes", {"limit": 2, "cursor": first["next_cursor"]}).json()

        assert [each["text"] for each in first["items"] + second["items"]] == ["three", "two", "one"]
        assert second["next_cursor"] is None

    def test_are_written_once_per_key(self, shop: Shop, order: dict[str, Any]) -> None:
        write(shop, order, match='"v1"', key="k")
        again = write(shop, order, match='"v1"', key="k")

        assert again["Idempotency-Replayed"] == "true"
        assert NoteRow.objects.filter(order_id=order["id"]).count() == 1

    def test_are_refused_when_somebody_changed_the_order_meanwhile(self, shop: Shop, order: dict[str, Any]) -> None:
        write(shop, order, match='"v1"')

        assert code_of(write(shop, order, match='"v1"')) == (412, "version_mismatch")
        assert code_of(write(shop, order, match="")) == (428, "if_match_required")

    def test_are_told_to_nobody_and_the_audit_trail_forgets_what_they_say(
        self, shop: Shop, order: dict[str, Any]
    ) -> None:
        note = write(shop, order, "Her brother answers the phone.").json()

        assert [each["type"] for each in shop.get(f"{LIST}/{order['id']}/timeline").json()["items"]] == [
            "ordering.order_placed.v1"
        ]
        entry = AuditEntryRow.objects.get(action="ordering.add_note")
        assert (entry.before, entry.after, entry.reason) == (None, {"note_id": note["id"]}, "")

    def test_are_forgotten_with_the_customer(self, shop: Shop) -> None:
        customer_id, token = a_customer()
        order = shop.place(as_=token).json()
        write(shop, order, "Her brother answers the phone.")
        cancel(shop, order)

        forget_customer(customer_id=CustomerId(customer_id))

        assert [note.text for note in NoteRow.objects.filter(order_id=order["id"])] == ["forgotten"]

    @pytest.mark.parametrize("body", [{}, {"text": " "}, {"text": "x" * 2001}, {"text": "x", "colour": "red"}])
    def test_are_refused_when_they_make_no_sense(self, shop: Shop, order: dict[str, Any], body: Any) -> None:
        assert code_of(shop.post(f"{LIST}/{order['id']}/notes", body, **{"If-Match": "*"}))[0] == 422


class TestTimeline:
    def test_tells_of_the_order_page_by_page(self, shop: Shop, order: dict[str, Any]) -> None:
        cancel(shop, order)
        path = f"{LIST}/{order['id']}/timeline"
        first = shop.get(path, {"limit": 1}).json()
        second = shop.get(path, {"limit": 1, "cursor": first["next_cursor"]}).json()

        assert [each["type"] for each in first["items"] + second["items"]] == [
            "ordering.order_placed.v1",
            "ordering.order_cancelled.v1",
        ]
        assert second["items"][0]["data"]["reason"] == "ordered twice"
        assert second["next_cursor"] is None

    def test_tells_of_its_payment_too(self, operator: Shop) -> None:
        order = a_pending_order()
        payment = an_attempted_payment(order_id=payments.OrderId(order.id))
        payment.settle_authorization(an_outcome(), at=NOON)
        with atomic():
            DjangoPayments().save(payment)
        order.confirm(payment=an_authorized_payment(id=payment.id), at=NOON)
        keep(order)

        told = operator.get(f"{LIST}/{order.id}/timeline").json()["items"]
        assert [each["type"] for each in told] == ["payments.payment_authorized.v1", "ordering.order_confirmed.v1"]


class TestAccess:
    def test_needs_the_scope(self, shop: Shop, order: dict[str, Any]) -> None:
        reader = a_key("ops:orders:read")

        assert shop.get(LIST, as_=reader).status_code == 200
        assert shop.get(f"{LIST}/{order['id']}/notes", as_=reader).status_code == 200
        for act in (cancel, write):
            assert code_of(act(shop, order, as_=reader)) == (403, "insufficient_scope")
        assert write(shop, order, as_=a_key("ops:notes:write")).status_code == 201
        assert code_of(cancel(shop, order, as_=a_key("ops:notes:write"))) == (403, "insufficient_scope")

    def test_is_not_for_customers(self, shop: Shop) -> None:
        _, token = a_customer()

        assert code_of(shop.get(LIST, as_=token)) == (403, "insufficient_scope")
        assert code_of(shop.get(LIST, as_=a_key("orders:read"))) == (403, "insufficient_scope")
