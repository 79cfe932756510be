"""The address book: its rules, its tables, and the API."""

import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.test import Client

from contexts.identity.domain import (
    MOST_ADDRESSES,
    AccountNotActive,
    AddressBook,
    AddressBookFull,
    AddressNotFound,
    InvalidAddress,
)
from contexts.identity.gateways import GoogleAddressRules
from contexts.identity.models import AddressRow
from contexts.identity.ports import AddressBooks
from contexts.identity.repositories import DjangoAddressBooks
from contexts.identity.wiring import add_address, issue_tokens
from shared.persistence.identifiers import new_id
from shared.persistence.unit_of_work import atomic
from tests.identity.builders import PASSWORD, a_postal_address, an_account_row, an_address
from tests.identity.fakes import InMemoryAddressBooks

BERLIN = {"name": "Ada", "line1": "Lindenstraße 12", "city": "Berlin", "postal_code": "10969", "country": "DE"}


class TestAddressBook:
    def test_has_one_default_of_each_kind(self) -> None:
        book = AddressBook(account_id=new_id())
        first = an_address(is_default_shipping=True, is_default_billing=True)
        second = an_address(is_default_shipping=True)
        book.put(first)
        book.put(second)
        flags = [(one.is_default_shipping, one.is_default_billing) for one in book.addresses.values()]
        assert flags == [(False, True), (True, False)]

    def test_is_full_with_fifty(self) -> None:
        book = AddressBook(account_id=new_id())
        for _ in range(MOST_ADDRESSES):
            book.put(an_address())
        with pytest.raises(AddressBookFull, match="50"):
            book.put(an_address())
        book.change(next(iter(book.addresses.values())))

    def test_changes_and_removes_only_what_it_has(self) -> None:
        book = AddressBook(account_id=new_id())
        with pytest.raises(AddressNotFound):
            book.change(an_address())
        with pytest.raises(AddressNotFound):
            book.remove(new_id())


class TestGoogleAddressRules:
    @pytest.mark.parametrize(
        "changes",
        [
            {},
            {"country": "GB", "city": "London", "postal_code": "SW1A 2AA"},
            {"country": "US", "city": "Los Angeles", "region": "CA", "postal_code": "90001"},
            {"country": "US", "city": "Los Angeles", "region": "California", "postal_code": "90001-1234"},
            {"country": "IE", "city": "Dublin", "postal_code": ""},
            {"country": "SG", "city": "", "postal_code": "123456"},
            {"country": "HK", "city": "Mong Kok", "region": "Kowloon", "postal_code": ""},
            {"country": "JP", "city": "Shibuya", "region": "Tokyo", "postal_code": "150-0001"},
            {"country": "CN", "city": "Somewhere", "region": "Beijing Shi", "postal_code": "100000"},
            {"country": "AE", "city": "", "region": "Dubai", "postal_code": ""},
        ],
    )
    def test_take_addresses_as_people_write_them(self, changes: dict[str, str]) -> None:
        GoogleAddressRules().check(a_postal_address(**changes))

    @pytest.mark.parametrize(
        ("changes", "faults"),
        [
            ({"postal_code": "1096"}, {"/postal_code"}),
            ({"postal_code": ""}, {"/postal_code"}),
            ({"city": "", "postal_code": "x"}, {"/city", "/postal_code"}),
            ({"country": "ZZ"}, {"/country"}),
            ({"country": "US", "city": "Los Angeles", "region": "", "postal_code": "90001"}, {"/region"}),
            ({"country": "US", "city": "Los Angeles", "region": "XX", "postal_code": "90001"}, {"/region"}),
            ({"country": "US", "city": "Los Angeles", "region": "CA", "postal_code": "10001"}, {"/postal_code"}),
        ],
    )
    def test_point_at_each_fault(self, changes: dict[str, str], faults: set[str]) -> None:
        with pytest.raises(InvalidAddress) as refusal:
            GoogleAddressRules().check(a_postal_address(**changes))
        assert set(refusal.value.faults) == faults
        assert all(refusal.value.faults.values())

    def test_ask_nobody_on_the_network(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(socket, "socket", None)
        for country in ("FR", "BR", "IN", "CA"):
            with pytest.raises(InvalidAddress):
                GoogleAddressRules().check(a_postal_address(country=country, postal_code="?"))


class TestAddressBooks:
    @pytest.fixture(params=["memory", "postgresql"])
    def books(self, request: pytest.FixtureRequest) -> AddressBooks:
        if request.param == "memory":
            return InMemoryAddressBooks()
        request.getfixturevalue("db")
        return DjangoAddressBooks()

    @pytest.fixture
    def holder(self, books: AddressBooks) -> Callable[[], UUID]:
        return lambda: an_account_row().pk if isinstance(books, DjangoAddressBooks) else new_id()

    def test_are_returned_as_they_were_saved(self, books: AddressBooks, holder: Callable[[], UUID]) -> None:
        ada, bob = holder(), holder()
        first, second = an_address(is_default_billing=True), an_address(postal=a_postal_address(line2="c/o Babbage"))
        self.save(books, ada, first, second)
        self.save(books, bob, an_address())
        assert list(books.of(ada).addresses.values()) == [first, second]

    def test_take_over_defaults_changes_and_removals(self, books: AddressBooks, holder: Callable[[], UUID]) -> None:
        ada = holder()
        first, second, third = (an_address(is_default_shipping=True) for _ in range(3))
        self.save(books, ada, first, second, third)
        book = books.of(ada)
        book.put(first)
        book.remove(second.id)
        books.save(book)
        kept = books.of(ada).addresses
        assert [(one.id, one.is_default_shipping) for one in kept.values()] == [(first.id, True), (third.id, False)]

    def save(self, books: AddressBooks, account_id: UUID, *addresses: Any) -> None:
        book = books.of(account_id)
        for address in addresses:
            book.put(address)
        books.save(book)


@pytest.mark.django_db
class TestDjangoAddressBooks:
    def test_are_there_for_active_accounts_only(self) -> None:
        with pytest.raises(AccountNotActive):
            DjangoAddressBooks().of(an_account_row(is_active=False).pk)


@pytest.fixture
def ada() -> dict[str, str]:
    return headers_of("ada@example.com")


def headers_of(email: str) -> dict[str, str]:
    an_account_row(email=email)
    tokens = issue_tokens(email=email, password=PASSWORD, address="127.0.0.1")
    return {"Authorization": f"Bearer {tokens.access_token}"}


@pytest.mark.django_db
class TestOverHttp:
    def post(self, client: Client, headers: dict[str, str], **changes: Any) -> Any:
        return client.post("/api/v1/me/addresses", BERLIN | changes, content_type="application/json", headers=headers)

    def put(self, client: Client, headers: dict[str, str], address_id: Any, **changes: Any) -> Any:
        path = f"/api/v1/me/addresses/{address_id}"
        return client.put(path, BERLIN | changes, content_type="application/json", headers=headers)

    def listed(self, client: Client, headers: dict[str, str]) -> Any:
        return client.get("/api/v1/me/addresses", headers=headers).json()

    def test_an_address_is_added_listed_changed_and_removed(self, client: Client, ada: dict[str, str]) -> None:
        added = self.post(client, ada, default_shipping=True, phone="+49 30 123456")
        assert added.status_code == 201
        body = added.json()
        assert added["Location"] == f"/api/v1/me/addresses/{body['id']}"
        assert body == BERLIN | {
            "id": body["id"], "line2": "", "region": "", "phone": "+49 30 123456",
            "default_shipping": True, "default_billing": False,
        }  # fmt: skip
        assert self.listed(client, ada) == {"items": [body], "next_cursor": None}
        changed = self.put(client, ada, body["id"], city="Potsdam", postal_code="14467")
        assert (changed.status_code, changed.json()["city"], changed.json()["default_shipping"]) == (
            200, "Potsdam", False,
        )  # fmt: skip
        removed = client.delete(added["Location"], headers=ada)
        assert (removed.status_code, removed.content) == (204, b"")
        assert self.listed(client, ada)["items"] == []

    def test_a_book_belongs_to_its_holder(self, client: Client, ada: dict[str, str]) -> None:
        address_id = self.post(client, ada).json()["id"]
        bob = headers_of("bob@example.com")
        assert self.listed(client, bob)["items"] == []
        for response in (
            self.put(client, bob, address_id, city="Potsdam"),
            client.delete(f"/api/v1/me/addresses/{address_id}", headers=bob),
        ):
            assert (response.status_code, response.json()["code"]) == (404, "address_not_found")
        assert self.listed(client, ada)["items"][0]["city"] == "Berlin"

    def test_faults_are_pointed_at(self, client: Client, ada: dict[str, str]) -> None:
        response = self.post(client, ada, postal_code="1", city="")
        assert (response.status_code, response.json()["code"]) == (422, "invalid_address")
        assert {each["pointer"] for each in response.json()["errors"]} == {"/postal_code", "/city"}
        assert "look" in response.json()["errors"][-1]["detail"]

    @pytest.mark.parametrize(
        ("changes", "pointer"),
        [
            ({"name": ""}, "/name"),
            ({"line1": " "}, "/line1"),
            ({"line1": "a" * 201}, "/line1"),
            ({"country": "Germany"}, "/country"),
            ({"phone": "call me"}, "/phone"),
            ({"default": True}, "/default"),
        ],
    )
    def test_values_that_do_not_fit_are_refused(
        self, client: Client, ada: dict[str, str], changes: dict[str, Any], pointer: str
    ) -> None:
        response = self.post(client, ada, **changes)
        assert (response.status_code, response.json()["code"]) == (422, "validation_error")
        assert [each["pointer"] for each in response.json()["errors"]] == [pointer]

    def test_the_fifty_first_is_refused(self, client: Client, ada: dict[str, str]) -> None:
        for _ in range(MOST_ADDRESSES):
            assert self.post(client, ada).status_code == 201
        response = self.post(client, ada)
        assert (response.status_code, response.json()["code"]) == (409, "address_book_full")

    def test_strangers_are_refused(self, client: Client) -> None:
        assert self.post(client, {}).status_code == 401
        assert client.get("/api/v1/me/addresses").status_code == 401


@pytest.mark.django_db(transaction=True)
class TestParallelAdditions:
    def test_leave_one_default_and_never_too_many(self) -> None:
        account_id = an_account_row().pk
        with atomic():
            book = DjangoAddressBooks().of(account_id)
            for _ in range(MOST_ADDRESSES - 2):
                book.put(an_address())
            DjangoAddressBooks().save(book)
        together = Barrier(4)

        def add(_: int) -> bool:
            connection.ensure_connection()
            together.wait()
            try:
                add_address(
                    account_id=account_id,
                    postal=a_postal_address(),
                    is_default_shipping=True,
                    is_default_billing=False,
                )
            except AddressBookFull:
                return False
            finally:
                connection.close()
            return True

        with ThreadPoolExecutor(4) as pool:
            assert sorted(pool.map(add, range(4))) == [False, False, True, True]
        assert AddressRow.objects.filter(account_id=account_id).count() == MOST_ADDRESSES
        assert AddressRow.objects.filter(account_id=account_id, is_default_shipping=True).count() == 1
