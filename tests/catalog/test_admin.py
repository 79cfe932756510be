from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from contexts.catalog.domain import Category, CategoryId
from contexts.catalog.models import CategoryRow, PriceRow, ProductRow
from contexts.catalog.repositories import DjangoCategories
from shared.outbox.models import OutboxMessageRow
from shared.persistence.identifiers import new_id
from tests.catalog.builders import CategoryFactory, VariantFactory, a_product_row
from tests.identity.builders import an_account_row

pytestmark = pytest.mark.django_db
PRODUCTS = reverse("admin:catalog_productrow_changelist")
DIALOG = {"_form_submitted": "on"}


@pytest.fixture
def operator(client: Client) -> Client:
    client.force_login(an_account_row(email="op@example.com", operator=True))
    return client


@pytest.fixture
def viewer(client: Client) -> Client:
    account = an_account_row(email="view@example.com", is_staff=True)
    account.user_permissions.add(Permission.objects.get(codename="view_productrow"))
    client.force_login(account)
    return client


def page_of(row: ProductRow) -> str:
    """Return the address of the product's page."""
    return reverse("admin:catalog_productrow_change", args=[row.id])


def dialog(row: ProductRow, name: str) -> str:
    """Return the address of one of the product's actions."""
    return reverse(f"admin:catalog_productrow_{name}", args=[row.id])


def notes(client: Client, row: ProductRow) -> str:
    """Return the product's page, as the operator sees it next."""
    return client.get(page_of(row)).content.decode()


class TestListOfProducts:
    def test_shows_price_and_number_of_variants(self, operator: Client) -> None:
        row = a_product_row(name="Stoneware Mug", category__name="Kitchen")
        VariantFactory.create(product=row)
        html = operator.get(PRODUCTS).content.decode()
        assert all(text in html for text in ("Stoneware Mug", "Kitchen", "18.00 EUR", "for sale"))

    def test_finds_by_name_sku_and_state(self, operator: Client) -> None:
        a_product_row(name="Stoneware Mug", sku="MUG-SAND")
        a_product_row(name="Cast Iron Pan", is_active=False)
        for query in ({"q": "MUG-SAND"}, {"q": "stoneware"}, {"is_active__exact": "1"}):
            html = operator.get(PRODUCTS, query).content.decode()
            assert "Stoneware Mug" in html
            assert "Cast Iron Pan" not in html

    def test_takes_as_many_statements_for_many_as_for_few(
        self, operator: Client, django_assert_max_num_queries: Callable[..., Any]
    ) -> None:
        for _ in range(25):
            a_product_row()
        with django_assert_max_num_queries(10):
            operator.get(PRODUCTS)

    def test_offers_no_form_that_bypasses_the_events(self, operator: Client) -> None:
        row = a_product_row()
        assert operator.get(reverse("admin:catalog_productrow_add")).status_code == 403
        assert operator.post(page_of(row), {"name": "Other"}).status_code == 403
        assert operator.post(reverse("admin:catalog_productrow_delete", args=[row.id])).status_code == 403


class TestProductPage:
    def test_shows_variants_and_prices(self, operator: Client) -> None:
        row = a_product_row(sku="MUG-SAND")
        row.variants.update(options={"colour": "sand"})
        html = notes(operator, row)
        assert all(text in html for text in ("MUG-SAND", "colour: sand", "18.00 EUR", "Change price", "Withdraw"))


class TestChangePrice:
    def test_asks_for_variant_and_price(self, operator: Client) -> None:
        row = a_product_row(sku="MUG-SAND")
        html = operator.get(dialog(row, "reprice")).content.decode()
        assert all(text in html for text in ("MUG-SAND", "18.00 EUR", "amount", "currency"))

    def test_calls_the_use_case_in_the_name_of_the_operator(self, operator: Client) -> None:
        row = a_product_row(sku="MUG-SAND")
        given = {"sku": "MUG-SAND", "amount": "19.50", "currency": "EUR"}
        answer = operator.post(dialog(row, "reprice"), DIALOG | given)
        assert answer["HX-Redirect"] == page_of(row)
        assert PriceRow.objects.get().amount_minor == 1950
        assert ProductRow.objects.get().price_from_minor == 1950
        message = OutboxMessageRow.objects.get()
        assert (message.topic, message.actor.split(":")[0]) == ("catalog.price_changed.v1", "staff")
        assert "MUG-SAND costs 19.50 EUR from now on." in notes(operator, row)

    @pytest.mark.parametrize(
        ("changes", "complaint"),
        [
            ({"amount": "1.001"}, "no more decimals"),
            ({"amount": "-1"}, "valid value"),
            ({"currency": "euro"}, "valid value"),
            ({"sku": "PAN"}, "Select a valid choice"),
        ],
    )
    def test_says_what_is_wrong_with_the_form(self, operator: Client, changes: dict[str, str], complaint: str) -> None:
        row = a_product_row(sku="MUG-SAND")
        given = {"sku": "MUG-SAND", "amount": "19.50", "currency": "EUR"} | changes
        answer = operator.post(dialog(row, "reprice"), DIALOG | given)
        assert "HX-Redirect" not in answer
        assert complaint in answer.content.decode()
        assert not OutboxMessageRow.objects.exists()

    def test_says_why_it_is_refused(self, operator: Client) -> None:
        row = a_product_row(sku="MUG-SAND", is_active=False)
        given = {"sku": "MUG-SAND", "amount": "19.50", "currency": "EUR"}
        operator.post(dialog(row, "reprice"), DIALOG | given)
        assert "no longer for sale, so its price cannot be changed, and" in notes(operator, row)

    def test_is_not_for_those_who_may_only_look(self, viewer: Client) -> None:
        row = a_product_row(sku="MUG-SAND")
        assert viewer.get(page_of(row)).status_code == 200
        assert viewer.get(dialog(row, "reprice")).status_code == 403

    def test_is_not_found_for_a_malformed_id(self, operator: Client) -> None:
        assert operator.get(reverse("admin:catalog_productrow_reprice", args=["1"])).status_code == 404


class TestWithdraw:
    def test_asks_before_it_happens(self, operator: Client) -> None:
        row = a_product_row()
        assert "Withdraw this product?" in operator.get(dialog(row, "withdraw")).content.decode()
        assert ProductRow.objects.get().is_active

    def test_calls_the_use_case(self, operator: Client) -> None:
        row = a_product_row()
        operator.post(dialog(row, "withdraw"), DIALOG)
        assert not ProductRow.objects.get().is_active
        assert OutboxMessageRow.objects.get().topic == "catalog.product_withdrawn.v1"

    def test_is_not_for_those_who_may_only_look(self, viewer: Client) -> None:
        row = a_product_row()
        assert viewer.post(dialog(row, "withdraw"), DIALOG).status_code == 403
        assert ProductRow.objects.get().is_active


class TestCategories:
    def test_are_added_by_the_use_case(self, operator: Client) -> None:
        parent = CategoryFactory.create(slug="kitchen")
        given = {"slug": "brewing", "name": "Brewing", "parent": str(parent.id)}
        answer = operator.post(reverse("admin:catalog_categoryrow_add"), given)
        assert answer.status_code == 302, answer.content
        added = CategoryRow.objects.get(slug="brewing")
        assert DjangoCategories().find("brewing") == Category(
            id=CategoryId(added.id), slug="brewing", name="Brewing", parent_id=CategoryId(parent.id)
        )

    @pytest.mark.parametrize(
        ("given", "complaint"),
        [
            ({"slug": "Tea Time", "name": "Tea"}, "lower-case letters"),
            ({"slug": "kitchen", "name": "Tea"}, "already"),
            ({"slug": "tea", "name": "x" * 201}, "200 characters"),
        ],
    )
    def test_are_refused_as_the_domain_does(self, operator: Client, given: dict[str, str], complaint: str) -> None:
        CategoryFactory.create(slug="kitchen")
        answer = operator.post(reverse("admin:catalog_categoryrow_add"), given)
        assert answer.status_code == 200
        assert complaint in answer.content.decode()

    def test_are_listed_with_their_products(self, operator: Client) -> None:
        a_product_row(category__slug="kitchen")
        html = operator.get(reverse("admin:catalog_categoryrow_changelist")).content.decode()
        assert "kitchen" in html

    def test_stay_as_they_are(self, operator: Client) -> None:
        row = CategoryFactory.create(id=new_id())
        address = reverse("admin:catalog_categoryrow_change", args=[row.id])
        assert operator.get(address).status_code == 200
        assert operator.post(address, {"name": "Other"}).status_code == 403
