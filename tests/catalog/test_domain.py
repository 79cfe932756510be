import pytest
from hypothesis import given
from hypothesis import strategies as st

from contexts.catalog.domain import (
    Category,
    CategoryId,
    DuplicateSku,
    MalformedName,
    MalformedOption,
    MalformedSku,
    MalformedSlug,
    PriceMissing,
    PriceOutOfRange,
    Product,
    ProductAlreadyWithdrawn,
    ProductWithoutVariants,
    SkuTaken,
    VariantNotFound,
)
from contexts.catalog.events import (
    PriceChanged,
    PriceFact,
    ProductAdded,
    ProductChanged,
    ProductWithdrawn,
    VariantAdded,
    VariantChanged,
    VariantFact,
)
from shared.domain.model import Event
from shared.domain.money import Money
from shared.persistence.identifiers import new_id
from tests.catalog.builders import NOW, a_new_product, a_new_variant, a_product, euros


def events_of(product: Product) -> list[Event]:
    return [recorded.event for recorded in product.release_events()]


class TestDraft:
    def test_says_nothing_to_anyone(self) -> None:
        assert events_of(a_product()) == []

    def test_calls_a_variant_by_its_options(self) -> None:
        product = a_product(a_new_variant(options={"size": "250 g", "grind": "whole beans"}))
        assert product.variants[0].name == "250 g, whole beans"

    def test_keeps_the_name_that_a_variant_was_given(self) -> None:
        product = a_product(a_new_variant(name="Small", options={"size": "250 g"}))
        assert product.variants[0].name == "Small"

    def test_costs_what_its_cheapest_variant_costs(self) -> None:
        product = a_product(a_new_variant("L", "45.00"), a_new_variant("S", "27.00"))
        assert product.price_from == euros("27.00")

    @pytest.mark.parametrize("sku", ["", " A", "A ", "A\nB", "A\0", "x" * 65, "\t"])
    def test_refuses_a_malformed_sku(self, sku: str) -> None:
        with pytest.raises(MalformedSku, match="1 to 64 printable"):
            a_product(a_new_variant(sku))

    @given(st.text(min_size=1, max_size=64).filter(lambda text: text.isprintable() and text == text.strip()))
    def test_takes_any_printable_sku(self, sku: str) -> None:
        assert a_product(a_new_variant(sku)).variants[0].sku == sku

    def test_refuses_the_same_sku_twice(self) -> None:
        with pytest.raises(DuplicateSku, match="same sku"):
            a_product(a_new_variant("MUG"), a_new_variant("MUG"))

    def test_refuses_a_product_that_cannot_be_bought(self) -> None:
        with pytest.raises(ProductWithoutVariants, match="at least one variant"):
            a_product(variants=())

    @pytest.mark.parametrize("price", [Money(-1, "EUR"), Money(10**15, "EUR"), Money(1, "eur"), Money(1, "")])
    def test_refuses_a_price_that_is_none(self, price: Money) -> None:
        with pytest.raises(PriceOutOfRange, match="not negative"):
            a_product(a_new_variant(prices=(price,)))

    def test_takes_what_is_free(self) -> None:
        assert a_product(a_new_variant(price="0")).price_from == euros("0.00")

    @pytest.mark.parametrize("prices", [(), (Money(1, "USD"),), (Money(1, "EUR"), Money(2, "EUR"))])
    def test_refuses_a_variant_without_its_price_in_the_listed_currency(self, prices: tuple[Money, ...]) -> None:
        with pytest.raises(PriceMissing, match="needs a price"):
            a_product(a_new_variant("FIRST"), a_new_variant("SECOND", prices=prices))

    def test_refuses_a_product_without_any_price(self) -> None:
        with pytest.raises(PriceMissing, match="needs a price"):
            a_product(a_new_variant(prices=()))

    @pytest.mark.parametrize("name", ["", " Mug", "Mug\n", "x" * 201])
    def test_refuses_a_malformed_name(self, name: str) -> None:
        with pytest.raises(MalformedName, match="1 to 200 printable"):
            a_product(name=name)

    @pytest.mark.parametrize("options", [{"": "sand"}, {"colour": ""}, {"colour": "x" * 61}, {"colour": "\0"}])
    def test_refuses_a_malformed_option(self, options: dict[str, str]) -> None:
        with pytest.raises(MalformedOption, match="1 to 60 printable"):
            a_product(a_new_variant(options=options))


class TestLaunch:
    def test_tells_all_that_others_need(self) -> None:
        product = a_product(a_new_variant(prices=(euros("18.00"), Money(2100, "USD")), options={"colour": "sand"}))
        product.launch(category="kitchen")
        assert events_of(product) == [
            ProductAdded(
                product_id=product.id,
                name="Stoneware Mug",
                description="Thrown by hand.",
                category="kitchen",
                variants=(
                    VariantFact(
                        variant_id=product.variants[0].id,
                        sku="MUG-SAND",
                        name="sand",
                        options={"colour": "sand"},
                        backorderable=False,
                        prices=(
                            PriceFact(currency="EUR", amount_minor=1800),
                            PriceFact(currency="USD", amount_minor=2100),
                        ),
                    ),
                ),
                occurred_at=NOW,
            )
        ]


class TestChangePrice:
    def test_tells_the_new_price_and_the_old_one(self) -> None:
        product = a_product()
        product.change_price(sku="MUG-SAND", price=euros("19.50"), at=NOW)
        assert product.price_from == euros("19.50")
        assert events_of(product) == [
            PriceChanged(
                product_id=product.id,
                sku="MUG-SAND",
                currency="EUR",
                amount_minor=1950,
                previous_amount_minor=1800,
                occurred_at=NOW,
            )
        ]

    def test_leaves_the_other_currencies_alone(self) -> None:
        product = a_product()
        product.change_price(sku="MUG-SAND", price=Money(2100, "USD"), at=NOW)
        assert product.variants[0].prices == {"EUR": euros("18.00"), "USD": Money(2100, "USD")}
        assert product.price_from == euros("18.00")

    def test_is_no_news_when_the_price_stays(self) -> None:
        product = a_product()
        product.change_price(sku="MUG-SAND", price=euros("18.00"), at=NOW)
        assert events_of(product) == []

    def test_is_refused_below_nothing(self) -> None:
        product = a_product()
        with pytest.raises(PriceOutOfRange, match="not negative"):
            product.change_price(sku="MUG-SAND", price=euros("-0.01"), at=NOW)
        assert product.price_from == euros("18.00")

    def test_is_refused_for_a_sku_of_another_product(self) -> None:
        with pytest.raises(VariantNotFound, match="no variant with this sku"):
            a_product().change_price(sku="PAN", price=euros("1.00"), at=NOW)

    def test_is_refused_once_withdrawn(self) -> None:
        product = a_product()
        product.withdraw(at=NOW)
        with pytest.raises(ProductAlreadyWithdrawn, match="no longer for sale"):
            product.change_price(sku="MUG-SAND", price=euros("1.00"), at=NOW)


class TestWithdraw:
    def test_tells_which_skus_are_gone(self) -> None:
        product = a_product(a_new_variant("A"), a_new_variant("B"))
        product.withdraw(at=NOW)
        assert not product.is_active
        assert events_of(product) == [ProductWithdrawn(product_id=product.id, skus=("A", "B"), occurred_at=NOW)]

    def test_is_no_news_the_second_time(self) -> None:
        product = a_product()
        product.withdraw(at=NOW)
        events_of(product)
        product.withdraw(at=NOW)
        assert events_of(product) == []


class TestDescribe:
    def test_tells_how_it_is_called_now(self) -> None:
        product = a_product()

        product.describe(name="Cup", description="Small.", category_id=product.category_id, category="kitchen", at=NOW)

        (event,) = events_of(product)
        assert event == ProductChanged(
            product_id=product.id, name="Cup", description="Small.", category="kitchen", occurred_at=NOW
        )

    def test_as_it_is_already_is_no_news(self) -> None:
        product = a_product()

        product.describe(
            name=product.name,
            description=product.description,
            category_id=product.category_id,
            category="kitchen",
            at=NOW,
        )

        assert events_of(product) == []

    def test_refuses_a_malformed_name(self) -> None:
        product = a_product()

        with pytest.raises(MalformedName):
            product.describe(name=" ", description="", category_id=product.category_id, category="kitchen", at=NOW)


class TestAddVariant:
    def test_tells_all_that_others_need(self) -> None:
        product = a_product()

        added = product.add_variant(a_new_variant("MUG-MOSS", "9.00"), new_id=new_id, at=NOW)

        assert [variant.sku for variant in product.variants] == ["MUG-SAND", "MUG-MOSS"]
        assert product.price_from == euros("9.00")
        assert events_of(product) == [VariantAdded(product_id=product.id, variant=added.facts, occurred_at=NOW)]

    def test_refuses_a_sku_that_it_has_a_missing_price_and_a_withdrawn_product(self) -> None:
        product = a_product()

        with pytest.raises(SkuTaken):
            product.add_variant(a_new_variant("MUG-SAND"), new_id=new_id, at=NOW)
        with pytest.raises(PriceMissing):
            product.add_variant(a_new_variant("MUG-MOSS", prices=(Money(1, "USD"),)), new_id=new_id, at=NOW)
        product.withdraw(at=NOW)
        with pytest.raises(ProductAlreadyWithdrawn):
            product.add_variant(a_new_variant("MUG-MOSS"), new_id=new_id, at=NOW)


class TestChangeVariant:
    def test_tells_what_it_is_called_now(self) -> None:
        product = a_product()

        changed = product.change_variant(
            sku="MUG-SAND", name="", options={"colour": "dune"}, backorderable=True, at=NOW
        )

        assert (changed.name, changed.backorderable) == ("dune", True)
        assert events_of(product) == [VariantChanged(product_id=product.id, variant=changed.facts, occurred_at=NOW)]

    def test_as_it_is_already_is_no_news(self) -> None:
        product = a_product()
        variant = product.variant("MUG-SAND")

        product.change_variant(
            sku="MUG-SAND", name=variant.name, options=variant.options, backorderable=variant.backorderable, at=NOW
        )

        assert events_of(product) == []

    def test_refuses_a_malformed_option_and_an_unknown_sku(self) -> None:
        with pytest.raises(MalformedOption):
            a_product().change_variant(sku="MUG-SAND", name="", options={"": "x"}, backorderable=False, at=NOW)
        with pytest.raises(VariantNotFound):
            a_product().change_variant(sku="PAN", name="", options={}, backorderable=False, at=NOW)


class TestCategory:
    @pytest.mark.parametrize("slug", ["", "Tea", "-tea", "tea-", "green--tea", "grün", "x" * 61, "tea\n"])
    def test_refuses_a_malformed_slug(self, slug: str) -> None:
        with pytest.raises(MalformedSlug, match="lower-case"):
            Category(id=CategoryId(new_id()), slug=slug, name="Tea")

    def test_refuses_a_blank_name(self) -> None:
        with pytest.raises(MalformedName, match="1 to 200 printable"):
            Category(id=CategoryId(new_id()), slug="tea", name=" ")


def test_a_new_product_is_a_value() -> None:
    assert a_new_product() == a_new_product()
