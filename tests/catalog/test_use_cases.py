from contextlib import nullcontext

import pytest

from contexts.catalog.domain import (
    CategoryNotFound,
    CategorySlugTaken,
    MalformedSku,
    ProductId,
    ProductNotFound,
    SkuTaken,
    VariantNotFound,
)
from contexts.catalog.events import PriceChanged, ProductAdded, ProductWithdrawn
from contexts.catalog.use_cases import (
    LOADED_AT_ONCE,
    AddCategory,
    AddProduct,
    ChangePrice,
    Loaded,
    LoadProducts,
    WithdrawProduct,
)
from shared.persistence.identifiers import new_id
from tests.catalog.builders import a_new_product, a_new_variant, euros
from tests.catalog.fakes import InMemoryCategories, InMemoryProducts
from tests.shared.fakes import InMemoryAuditTrail, ObservedUnitOfWork, SettableClock

clock = SettableClock()


@pytest.fixture
def products() -> InMemoryProducts:
    return InMemoryProducts()


@pytest.fixture
def categories() -> InMemoryCategories:
    categories = InMemoryCategories()
    AddCategory(categories=categories, record_change=InMemoryAuditTrail(), unit_of_work=nullcontext, new_id=new_id)(
        slug="kitchen", name="Kitchen"
    )
    return categories


@pytest.fixture
def add_product(products: InMemoryProducts, categories: InMemoryCategories) -> AddProduct:
    return AddProduct(
        products=products,
        categories=categories,
        record_change=InMemoryAuditTrail(),
        unit_of_work=ObservedUnitOfWork(),
        now=clock,
        new_id=new_id,
    )


@pytest.fixture
def unit_of_work() -> ObservedUnitOfWork:
    return ObservedUnitOfWork()


@pytest.fixture
def load_products(
    products: InMemoryProducts, categories: InMemoryCategories, unit_of_work: ObservedUnitOfWork
) -> LoadProducts:
    return LoadProducts(products=products, categories=categories, unit_of_work=unit_of_work, now=clock, new_id=new_id)


class TestAddProduct:
    def test_stores_the_product_and_tells_the_others(self, add_product: AddProduct, products: InMemoryProducts) -> None:
        product_id = add_product(product=a_new_product())
        assert products.get(product_id).name == "Stoneware Mug"
        assert [type(event) for event in products.shelf.events] == [ProductAdded]

    def test_is_refused_in_an_unknown_category(self, add_product: AddProduct) -> None:
        with pytest.raises(CategoryNotFound, match="no category with this slug"):
            add_product(product=a_new_product(category="garden"))

    def test_is_refused_when_a_sku_is_taken(self, add_product: AddProduct, products: InMemoryProducts) -> None:
        add_product(product=a_new_product())
        with pytest.raises(SkuTaken, match="names one variant for ever"):
            add_product(product=a_new_product(name="Another Mug"))
        assert len(products.shelf) == 1


class TestChangePrice:
    def test_tells_the_new_price(self, add_product: AddProduct, products: InMemoryProducts) -> None:
        product_id = add_product(product=a_new_product())
        ChangePrice(products=products, record_change=InMemoryAuditTrail(), unit_of_work=nullcontext, now=clock)(
            sku="MUG-SAND", price=euros("19.00")
        )
        assert products.get(product_id).price_from == euros("19.00")
        assert isinstance(products.shelf.events[-1], PriceChanged)

    def test_is_refused_for_an_unknown_sku(self, products: InMemoryProducts) -> None:
        with pytest.raises(VariantNotFound, match="no variant with this sku"):
            ChangePrice(products=products, record_change=InMemoryAuditTrail(), unit_of_work=nullcontext, now=clock)(
                sku="PAN", price=euros("1.00")
            )


class TestWithdrawProduct:
    def test_tells_that_it_is_gone(self, add_product: AddProduct, products: InMemoryProducts) -> None:
        product_id = add_product(product=a_new_product())
        withdraw = WithdrawProduct(
            products=products, record_change=InMemoryAuditTrail(), unit_of_work=nullcontext, now=clock
        )
        withdraw(product_id=product_id)
        withdraw(product_id=product_id)
        assert not products.get(product_id).is_active
        assert [type(event) for event in products.shelf.events] == [ProductAdded, ProductWithdrawn]

    def test_is_refused_for_an_unknown_product(self, products: InMemoryProducts) -> None:
        with pytest.raises(ProductNotFound, match="no such product"):
            WithdrawProduct(products=products, record_change=InMemoryAuditTrail(), unit_of_work=nullcontext, now=clock)(
                product_id=ProductId(new_id())
            )


class TestAddCategory:
    def test_is_harmless_when_it_is_there(self, categories: InMemoryCategories) -> None:
        add = AddCategory(
            categories=categories, record_change=InMemoryAuditTrail(), unit_of_work=nullcontext, new_id=new_id
        )
        assert add(slug="kitchen", name="Kitchen") == categories.ids()["kitchen"]

    def test_puts_it_below_its_parent(self, categories: InMemoryCategories) -> None:
        AddCategory(categories=categories, record_change=InMemoryAuditTrail(), unit_of_work=nullcontext, new_id=new_id)(
            slug="brewing", name="Brewing", parent="kitchen"
        )
        brewing = categories.find("brewing")
        assert brewing is not None
        assert brewing.parent_id == categories.ids()["kitchen"]

    @pytest.mark.parametrize(("name", "parent"), [("Cuisine", None), ("Kitchen", "tea")])
    def test_is_refused_when_the_slug_means_something_else(
        self, categories: InMemoryCategories, name: str, parent: str | None
    ) -> None:
        add = AddCategory(
            categories=categories, record_change=InMemoryAuditTrail(), unit_of_work=nullcontext, new_id=new_id
        )
        add(slug="tea", name="Tea")
        with pytest.raises(CategorySlugTaken, match="has this slug already"):
            add(slug="kitchen", name=name, parent=parent)

    def test_is_refused_below_an_unknown_parent(self, categories: InMemoryCategories) -> None:
        with pytest.raises(CategoryNotFound, match="no category with this slug"):
            AddCategory(
                categories=categories, record_change=InMemoryAuditTrail(), unit_of_work=nullcontext, new_id=new_id
            )(slug="brewing", name="Brewing", parent="garden")


class TestLoadProducts:
    def test_tells_nobody(self, load_products: LoadProducts, products: InMemoryProducts) -> None:
        news = [a_new_product(a_new_variant(f"SKU-{number}")) for number in range(3)]
        assert load_products(products=news) == Loaded(added=3)
        assert products.shelf.events == []

    def test_leaves_known_products_as_they_are(self, load_products: LoadProducts, products: InMemoryProducts) -> None:
        load_products(products=[a_new_product()])
        again = [a_new_product(a_new_variant(price="99.00"), name="Other"), a_new_product(a_new_variant("NEW"))]
        assert load_products(products=again) == Loaded(added=1)
        assert products.get_by_sku("MUG-SAND").price_from == euros("18.00")
        assert products.get_by_sku("MUG-SAND").name == "Stoneware Mug"

    def test_takes_the_first_of_two_that_share_a_sku(
        self, load_products: LoadProducts, products: InMemoryProducts
    ) -> None:
        assert load_products(products=[a_new_product(), a_new_product(name="Twin")]) == Loaded(added=1)
        assert products.get_by_sku("MUG-SAND").name == "Stoneware Mug"

    def test_changes_prices_of_known_products_when_told_to(
        self, load_products: LoadProducts, products: InMemoryProducts
    ) -> None:
        load_products(products=[a_new_product()])
        changed = [a_new_product(a_new_variant(price="19.00")), a_new_product(a_new_variant("NEW"))]
        assert load_products(products=changed, update_prices=True) == Loaded(added=1, repriced=1)
        assert load_products(products=changed, update_prices=True) == Loaded()
        assert [type(event) for event in products.shelf.events] == [PriceChanged]

    def test_leaves_the_price_of_withdrawn_products(
        self, load_products: LoadProducts, products: InMemoryProducts
    ) -> None:
        load_products(products=[a_new_product()])
        product_id = ProductId(products.get_by_sku("MUG-SAND").id)
        WithdrawProduct(products=products, record_change=InMemoryAuditTrail(), unit_of_work=nullcontext, now=clock)(
            product_id=product_id
        )
        changed = [a_new_product(a_new_variant(price="19.00"))]
        assert load_products(products=changed, update_prices=True) == Loaded()

    def test_commits_batch_by_batch(self, load_products: LoadProducts, unit_of_work: ObservedUnitOfWork) -> None:
        news = (a_new_product(a_new_variant(f"SKU-{number}")) for number in range(LOADED_AT_ONCE + 1))
        assert load_products(products=news).added == LOADED_AT_ONCE + 1
        assert unit_of_work.committed == 2

    def test_refuses_what_the_domain_refuses(self, load_products: LoadProducts, products: InMemoryProducts) -> None:
        with pytest.raises(MalformedSku, match="printable"):
            load_products(products=[a_new_product(), a_new_product(a_new_variant(" "))])
        assert len(products.shelf) == 0

    def test_is_refused_in_an_unknown_category(self, load_products: LoadProducts) -> None:
        with pytest.raises(CategoryNotFound, match="no category with this slug"):
            load_products(products=[a_new_product(category="garden")])
