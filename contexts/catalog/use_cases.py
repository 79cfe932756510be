"""What can be done with the catalog: one callable per verb."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from contexts.catalog.domain import (
    Category,
    CategoryId,
    CategoryNotFound,
    CategorySlugTaken,
    NewProduct,
    NewVariant,
    Product,
    ProductId,
    Variant,
)
from contexts.catalog.ports import Categories, Products
from shared.domain.errors import VersionMismatch
from shared.domain.money import Money
from shared.domain.ports import AuditTrail, Clock, NewId, UnitOfWork

LOADED_AT_ONCE = 2000  # products per transaction


@dataclass(frozen=True, slots=True)
class AddProduct:
    """Offer a new product and tell the others."""

    products: Products
    categories: Categories
    record_change: AuditTrail
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
            self.record_change(
                action="catalog.add_product",
                subject_kind="product",
                subject_id=str(added.id),
                before=None,
                after={"title": added.name, "skus": [variant.sku for variant in added.variants]},
            )
        return ProductId(added.id)


@dataclass(frozen=True, slots=True)
class ChangePrice:
    """Sell a variant at another price from now on; the price of another currency is left as it is."""

    products: Products
    record_change: AuditTrail
    unit_of_work: UnitOfWork
    now: Clock

    def __call__(self, *, sku: str, price: Money, expected_version: int | None = None) -> None:
        with self.unit_of_work():
            product = self.products.get_by_sku(sku)
            product.must_be_at(expected_version)
            before = product.price_of(sku, currency=price.currency)
            product.change_price(sku=sku, price=price, at=self.now())
            self.products.save(product)
            self.record_change(
                action="catalog.change_price",
                subject_kind="product",
                subject_id=str(product.id),
                before={"sku": sku, "price": str(before) if before else None},
                after={"sku": sku, "price": str(price)},
            )


@dataclass(frozen=True, slots=True)
class WithdrawProduct:
    """Stop selling a product; withdrawing twice is harmless."""

    products: Products
    record_change: AuditTrail
    unit_of_work: UnitOfWork
    now: Clock

    def __call__(self, *, product_id: ProductId, expected_version: int | None = None) -> None:
        with self.unit_of_work():
            product = self.products.get(product_id)
            product.must_be_at(expected_version)
            before = product.is_active
            product.withdraw(at=self.now())
            self.products.save(product)
            self.record_change(
                action="catalog.withdraw_product",
                subject_kind="product",
                subject_id=str(product.id),
                before={"is_active": before},
                after={"is_active": product.is_active},
            )


@dataclass(frozen=True, slots=True)
class DescribeProduct:
    """Call, describe or arrange a product otherwise; what is None stays."""

    products: Products
    categories: Categories
    record_change: AuditTrail
    unit_of_work: UnitOfWork
    now: Clock

    def __call__(
        self,
        *,
        product_id: ProductId,
        name: str | None = None,
        description: str | None = None,
        category: str | None = None,
        expected_version: int | None = None,
    ) -> None:
        with self.unit_of_work():
            product = self.products.get(product_id)
            product.must_be_at(expected_version)
            before = {"title": product.name, "category_id": str(product.category_id)}
            placed_in = self._category(category, of=product)
            product.describe(
                name=product.name if name is None else name,
                description=product.description if description is None else description,
                category_id=placed_in.id,
                category=placed_in.slug,
                at=self.now(),
            )
            self.products.save(product)
            self.record_change(
                action="catalog.describe_product",
                subject_kind="product",
                subject_id=str(product.id),
                before=before,
                after={"title": product.name, "category_id": str(product.category_id)},
            )

    def _category(self, slug: str | None, *, of: Product) -> Category:
        if slug is None:
            return self.categories.get(of.category_id)
        category = self.categories.find(slug)
        if category is None:
            raise CategoryNotFound(category=slug)
        return category


@dataclass(frozen=True, slots=True)
class AddVariant:
    """Sell a product in one more variant."""

    products: Products
    record_change: AuditTrail
    unit_of_work: UnitOfWork
    now: Clock
    new_id: NewId

    def __call__(self, *, product_id: ProductId, variant: NewVariant, expected_version: int | None = None) -> Variant:
        with self.unit_of_work():
            product = self.products.get(product_id)
            product.must_be_at(expected_version)
            added = product.add_variant(variant, new_id=self.new_id, at=self.now())
            self.products.save(product)
            self.record_change(
                action="catalog.add_variant",
                subject_kind="product",
                subject_id=str(product.id),
                before=None,
                after={"sku": added.sku},
            )
        return added


@dataclass(frozen=True, slots=True)
class ChangeVariant:
    """Call or describe a variant otherwise; what is None stays, and its sku does."""

    products: Products
    record_change: AuditTrail
    unit_of_work: UnitOfWork
    now: Clock

    def __call__(
        self,
        *,
        sku: str,
        name: str | None = None,
        options: Mapping[str, str] | None = None,
        backorderable: bool | None = None,
        expected_version: int | None = None,
    ) -> None:
        with self.unit_of_work():
            product = self.products.get_by_sku(sku)
            product.must_be_at(expected_version)
            variant = product.variant(sku)
            before = _audited(variant)
            product.change_variant(
                sku=sku,
                name=variant.name if name is None else name,
                options=variant.options if options is None else options,
                backorderable=variant.backorderable if backorderable is None else backorderable,
                at=self.now(),
            )
            self.products.save(product)
            self.record_change(
                action="catalog.change_variant",
                subject_kind="product",
                subject_id=str(product.id),
                before=before,
                after=_audited(product.variant(sku)),
            )


def _audited(variant: Variant) -> dict[str, str | bool]:
    return {"sku": variant.sku, "title": variant.name, "backorderable": variant.backorderable}


@dataclass(frozen=True, slots=True)
class AddCategory:
    """Have a category; asking again for the same one is harmless."""

    categories: Categories
    record_change: AuditTrail
    unit_of_work: UnitOfWork
    new_id: NewId

    def __call__(self, *, slug: str, name: str, parent: str | None = None) -> CategoryId:
        with self.unit_of_work():
            wanted = Category(id=CategoryId(self.new_id()), slug=slug, name=name, parent_id=self._id_of(parent))
            known = self.categories.find(slug)
            if known is None:
                self.categories.add(wanted)
                self.record_change(
                    action="catalog.add_category",
                    subject_kind="category",
                    subject_id=str(wanted.id),
                    before=None,
                    after={"slug": slug, "title": name},
                )
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


@dataclass(frozen=True, slots=True)
class RenameCategory:
    """Call a category otherwise; links refer to its slug, so that stays."""

    categories: Categories
    record_change: AuditTrail
    unit_of_work: UnitOfWork

    def __call__(self, *, category_id: CategoryId, name: str, expected_version: int | None = None) -> Category:
        with self.unit_of_work():
            category = self.categories.get(category_id)
            if expected_version not in (None, category.version):
                raise VersionMismatch(version=category.version)
            renamed = self.categories.save(replace(category, name=name))
            self.record_change(
                action="catalog.rename_category",
                subject_kind="category",
                subject_id=str(category.id),
                before={"title": category.name},
                after={"title": renamed.name},
            )
        return renamed


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
