"""What can be done with the catalog: one callable per verb."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from contexts.catalog.domain import (
    Category,
    CategoryId,
    CategoryNotFound,
    CategorySlugTaken,
    NewProduct,
    Product,
    ProductId,
)
from contexts.catalog.ports import Categories, Products
from shared.domain.money import Money
from shared.domain.ports import Clock, NewId, UnitOfWork

LOADED_AT_ONCE = 2000  # products per transaction


@dataclass(frozen=True, slots=True)
class AddProduct:
    """Offer a new product and tell the others."""

    products: Products
    categories: Categories
    unit_of_work: UnitOfWork
    now: Clock
    new_id: NewId

    def __call__(self, *, product: NewProduct) -> ProductId:
        with self.unit_of_work():
            category = self.categories.find(product.category)
            if category is None:
                raise CategoryNotFound(category=product.category)
            added = Product.draft(product, category_id=category.id, new_id=self.new_id, at=self.now())
            added.launch(category=category.slug)
            self.products.add(added)
        return ProductId(added.id)


@dataclass(frozen=True, slots=True)
class ChangePrice:
    """Sell a variant at another price from now on; the price of another currency is left as it is."""

    products: Products
    unit_of_work: UnitOfWork
    now: Clock

    def __call__(self, *, sku: str, price: Money) -> None:
        with self.unit_of_work():
            product = self.products.get_by_sku(sku)
            product.change_price(sku=sku, price=price, at=self.now())
            self.products.save(product)


@dataclass(frozen=True, slots=True)
class WithdrawProduct:
    """Stop selling a product; withdrawing twice is harmless."""

    products: Products
    unit_of_work: UnitOfWork
    now: Clock

    def __call__(self, *, product_id: ProductId) -> None:
        with self.unit_of_work():
            product = self.products.get(product_id)
            product.withdraw(at=self.now())
            self.products.save(product)


@dataclass(frozen=True, slots=True)
class AddCategory:
    """Have a category; asking again for the same one is harmless."""

    categories: Categories
    unit_of_work: UnitOfWork
    new_id: NewId

    def __call__(self, *, slug: str, name: str, parent: str | None = None) -> CategoryId:
        with self.unit_of_work():
            wanted = Category(id=CategoryId(self.new_id()), slug=slug, name=name, parent_id=self._id_of(parent))
            known = self.categories.find(slug)
            if known is None:
                self.categories.add(wanted)
                return wanted.id
            if (known.name, known.parent_id) != (wanted.name, wanted.parent_id):
                raise CategorySlugTaken(slug=slug)
            return known.id

    def _id_of(self, slug: str | None) -> CategoryId | None:
        if slug is None:
            return None
        category = self.categories.find(slug)
        if category is None:
            raise CategoryNotFound(category=slug)
        return category.id


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """What a bulk load did: how many products are new, and how many prices of known ones were changed."""

    added: int = 0
    repriced: int = 0


@dataclass(frozen=True, slots=True)
class LoadProducts:
    """Take over products in bulk, without an event for each: it is the state that the history begins with.

    A product of which any sku is known already is left as it is, so that a cut-off run is repeated safely.
    With ``update_prices`` its variants are sold at the loaded prices from now on, each an ordinary change
    of price with its event; withdrawn products stay as they are. Each batch is a unit of work of its own. The
    categories have to be there.
    """

    products: Products
    categories: Categories
    unit_of_work: UnitOfWork
    now: Clock
    new_id: NewId

    def __call__(self, *, products: Iterable[NewProduct], update_prices: bool = False) -> Loaded:
        category_ids = self.categories.ids()
        added = repriced = 0
        for batch in _batches_of(products):
            with self.unit_of_work():
                known = self.products.prices_of([each.sku for new in batch for each in new.variants])
                added += self._add(_unknown(batch, known=known), category_ids)
                if update_prices:
                    repriced += self._reprice(batch, known)
        return Loaded(added=added, repriced=repriced)

    def _add(self, news: Sequence[NewProduct], category_ids: Mapping[str, CategoryId]) -> int:
        for new in news:
            if new.category not in category_ids:
                raise CategoryNotFound(category=new.category)
        now = self.now()
        self.products.add(
            *(Product.draft(new, category_id=category_ids[new.category], new_id=self.new_id, at=now) for new in news)
        )
        return len(news)

    def _reprice(self, batch: Sequence[NewProduct], known: Mapping[str, frozenset[Money]]) -> int:
        changes = [
            (variant.sku, price)
            for new in batch
            for variant in new.variants
            for price in variant.prices
            if variant.sku in known and price not in known[variant.sku]
        ]
        return sum(self._change_price(sku, price) for sku, price in changes)

    def _change_price(self, sku: str, price: Money) -> bool:
        product = self.products.get_by_sku(sku)
        if product.is_active:
            product.change_price(sku=sku, price=price, at=self.now())
            self.products.save(product)
        return product.is_active


def _batches_of(products: Iterable[NewProduct]) -> Iterator[Sequence[NewProduct]]:
    remaining = iter(products)
    while batch := list(islice(remaining, LOADED_AT_ONCE)):
        yield batch


def _unknown(batch: Sequence[NewProduct], *, known: Mapping[str, object]) -> Sequence[NewProduct]:
    """Leave out products with a sku that is known, or that came earlier in the batch."""
    seen = set(known)
    unknown = []
    for new in batch:
        skus = {variant.sku for variant in new.variants}
        if seen.isdisjoint(skus):
            seen |= skus
            unknown.append(new)
    return unknown
