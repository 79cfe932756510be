from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVector, SearchVectorField
from django.db import models
from django.db.models.functions import Now

from shared.persistence.identifiers import new_id

IS_ACTIVE = models.Q(is_active=True)


class CategoryRow(models.Model):
    """A place in the tree of products."""

    id = models.UUIDField(primary_key=True, default=new_id)
    slug = models.CharField(max_length=60)
    name = models.CharField(max_length=200)
    parent = models.ForeignKey("self", on_delete=models.PROTECT, null=True, blank=True, related_name="children")
    version = models.PositiveIntegerField(db_default=1)

    class Meta:
        db_table = "catalog_category"
        verbose_name = "category"
        verbose_name_plural = "categories"
        constraints = [
            models.UniqueConstraint(fields=["slug"], name="catalog_category_slug_is_unique"),
            models.CheckConstraint(
                condition=models.Q(parent=None) | ~models.Q(parent=models.F("id")),
                name="catalog_category_is_not_its_own_parent",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class ProductRow(models.Model):
    """A product; the lowest price is kept with it, to sort and filter by."""

    id = models.UUIDField(primary_key=True, default=new_id)
    name = models.CharField(max_length=200)
    description = models.TextField(blank=True)
    category = models.ForeignKey(CategoryRow, on_delete=models.PROTECT, related_name="products")
    is_active = models.BooleanField(db_default=True)
    price_from_minor = models.BigIntegerField()
    price_currency = models.CharField(max_length=3)
    version = models.PositiveIntegerField(db_default=1)
    sequence = models.PositiveIntegerField(db_default=0)
    created_at = models.DateTimeField(db_default=Now())
    search = models.GeneratedField(
        expression=SearchVector("name", config="english", weight="A")
        + SearchVector("description", config="english", weight="B"),
        output_field=SearchVectorField(),
        db_persist=True,
    )

    class Meta:
        db_table = "catalog_product"
        verbose_name = "product"
        constraints = [
            models.CheckConstraint(
                condition=models.Q(price_from_minor__gte=0), name="catalog_product_price_from_is_not_negative"
            ),
        ]
        indexes = [
            GinIndex(fields=["search"], name="catalog_product_search"),
            models.Index(fields=["name", "id"], name="catalog_product_by_name", condition=IS_ACTIVE),
            models.Index(fields=["created_at", "id"], name="catalog_product_by_age", condition=IS_ACTIVE),
            models.Index(
                fields=["price_currency", "price_from_minor", "id"],
                name="catalog_product_by_price",
                condition=IS_ACTIVE,
            ),
        ]

    def __str__(self) -> str:
        return self.name


class VariantRow(models.Model):
    """One thing that can be put into a basket."""

    id = models.UUIDField(primary_key=True, default=new_id)
    product = models.ForeignKey(ProductRow, on_delete=models.PROTECT, related_name="variants")
    sku = models.CharField(max_length=64)
    name = models.CharField(max_length=200, blank=True)
    options = models.JSONField(default=dict, blank=True)
    backorderable = models.BooleanField(db_default=False)
    position = models.PositiveSmallIntegerField(db_default=0)

    class Meta:
        db_table = "catalog_variant"
        verbose_name = "variant"
        ordering = ["position", "id"]
        constraints = [
            models.UniqueConstraint(fields=["sku"], name="catalog_variant_sku_is_unique"),
        ]

    def __str__(self) -> str:
        return self.sku


class PriceRow(models.Model):
    """What a variant costs in one currency, in whole minor units."""

    id = models.UUIDField(primary_key=True, default=new_id)
    variant = models.ForeignKey(VariantRow, on_delete=models.PROTECT, related_name="prices", db_index=False)
    currency = models.CharField(max_length=3)
    amount_minor = models.BigIntegerField()

    class Meta:
        db_table = "catalog_price"
        verbose_name = "price"
        constraints = [
            models.UniqueConstraint(fields=["variant", "currency"], name="catalog_price_once_per_currency"),
            models.CheckConstraint(condition=models.Q(amount_minor__gte=0), name="catalog_price_is_not_negative"),
        ]
