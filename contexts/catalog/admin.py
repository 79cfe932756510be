"""Products and categories for operators; whatever changes them calls a use case, so that the others hear of it."""

from typing import Any
from uuid import UUID

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.db.models import Count, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from unfold.admin import ModelAdmin, TabularInline
from unfold.contrib.filters.admin import RelatedDropdownFilter
from unfold.decorators import action, display
from unfold.forms import BaseDialogForm
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from contexts.catalog.domain import Category, CategoryId, ProductId
from contexts.catalog.models import CategoryRow, ProductRow, VariantRow
from contexts.catalog.wiring import add_category, change_price, withdraw_product
from shared.domain.errors import DomainError, InvalidInputError
from shared.domain.money import Money
from shared.telemetry.context import act_as


def _never(*_: object, **__: object) -> bool:
    return False


class ChangePriceForm(BaseDialogForm):
    """A new price for one of the product's variants."""

    sku = forms.ChoiceField(label="Variant", widget=UnfoldAdminSelectWidget)
    amount = forms.RegexField(
        regex=r"^\d{1,12}(\.\d{1,4})?$",
        label="Price",
        help_text="12.34",
        widget=UnfoldAdminTextInputWidget,
    )
    currency = forms.RegexField(
        regex=r"^[A-Z]{3}$", initial=settings.DEFAULT_CURRENCY, widget=UnfoldAdminTextInputWidget
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        variants = VariantRow.objects.filter(product_id=_product_id(self.object_id)).prefetch_related("prices")
        self.fields["sku"].choices = [(row.sku, f"{_called(row)} · {_prices_of(row)}") for row in variants]

    def clean(self) -> dict[str, Any]:
        """Read amount and currency as one price."""
        given: dict[str, Any] = super().clean()
        if "amount" in given and "currency" in given:
            try:
                given["price"] = Money.parse(given["amount"], given["currency"])
            except InvalidInputError as error:
                self.add_error("amount", error.message)
        return given


class VariantInline(TabularInline):
    """The variants of a product, to look at."""

    model = VariantRow
    fields = ("sku", "name", "chosen", "prices", "backorderable")
    readonly_fields = fields
    extra = 0
    can_delete = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[VariantRow]:
        """Return the variants with their prices, in two statements."""
        rows: QuerySet[VariantRow] = super().get_queryset(request)
        return rows.prefetch_related("prices")

    has_add_permission = _never  # a variant would come without price and without event

    has_change_permission = _never  # prices are changed by the action

    @display(description="options")
    def chosen(self, row: VariantRow) -> str:
        """Return the options in words."""
        return ", ".join(f"{name}: {value}" for name, value in row.options.items()) or "-"

    @display(description="prices")
    def prices(self, row: VariantRow) -> str:
        """Return the prices, one per currency."""
        return _prices_of(row)


@admin.register(ProductRow)
class ProductAdmin(ModelAdmin):
    """Products: listed and looked at here; repriced and withdrawn by actions, never by the form."""

    list_display = ("name", "category", "price_from", "variant_count", "state", "created_at")
    list_filter = (("category", RelatedDropdownFilter), "is_active")
    list_filter_submit = True
    list_select_related = ("category",)
    list_per_page = 50
    show_full_result_count = False
    search_fields = ("name", "variants__sku")
    search_help_text = "name or sku"
    ordering = ("name", "id")
    fields = ("name", "description", "category", "price_from", "state", "created_at", "version")
    readonly_fields = fields
    inlines = (VariantInline,)
    actions_detail = ("reprice", "withdraw")

    def get_queryset(self, request: HttpRequest) -> QuerySet[ProductRow]:
        """Return the products with the number of their variants, without the search vector."""
        rows: QuerySet[ProductRow] = super().get_queryset(request)
        return rows.defer("search").annotate(variant_count=Count("variants"))

    has_add_permission = _never  # a product without variants cannot be sold

    has_change_permission = _never  # the form would bypass the events

    has_delete_permission = _never  # orders refer to it; withdraw it instead

    def has_manage_permission(self, request: HttpRequest, object_id: object = None) -> bool:  # noqa: ARG002 - unfold's signature
        """Tell whether this operator may reprice and withdraw."""
        return request.user.has_perm("catalog.change_productrow")

    @display(description="price from", ordering="price_from_minor")
    def price_from(self, row: ProductRow) -> str:
        """Return the lowest price among the variants."""
        return str(Money(row.price_from_minor, row.price_currency))

    @display(description="variants", ordering="variant_count")
    def variant_count(self, row: Any) -> int:
        """Return how many variants there are."""
        count: int = row.variant_count
        return count

    @display(description="state", ordering="is_active", label={"for sale": "success", "withdrawn": "danger"})
    def state(self, row: ProductRow) -> str:
        """Return whether it can be bought."""
        return "for sale" if row.is_active else "withdrawn"

    @action(
        description="Change price",
        url_path="reprice",
        icon="sell",
        permissions=["manage"],
        dialog={
            "title": "Change price",
            "description": "Orders that were placed keep the price that they were placed at.",
            "form_class": ChangePriceForm,
            "form_submit_text": "Change price",
        },
    )
    def reprice(self, request: HttpRequest, form: ChangePriceForm, object_id: str) -> HttpResponse:
        """Sell one variant at another price from now on."""
        sku, price = form.cleaned_data["sku"], form.cleaned_data["price"]
        act_as(f"staff:{request.user.pk}")
        try:
            change_price(sku=sku, price=price)
            messages.success(request, f"{sku} costs {price} from now on.")
        except DomainError as refusal:
            messages.error(request, refusal.message)
        return _back_to(object_id)

    @action(
        description="Withdraw",
        url_path="withdraw",
        icon="remove_shopping_cart",
        permissions=["manage"],
        dialog={
            "title": "Withdraw this product?",
            "description": "It cannot be bought any more. Orders that were placed are not affected.",
            "form_class": BaseDialogForm,
            "form_submit_text": "Withdraw",
        },
    )
    def withdraw(self, request: HttpRequest, form: BaseDialogForm, object_id: str) -> HttpResponse:  # noqa: ARG002
        """Stop selling the product."""
        act_as(f"staff:{request.user.pk}")
        try:
            withdraw_product(product_id=_product_id(object_id))
            messages.success(request, "The product is no longer for sale.")
        except DomainError as refusal:
            messages.error(request, refusal.message)
        return _back_to(object_id)


class CategoryForm(forms.ModelForm):  # type: ignore[type-arg]  # generic for the type checker only
    """A new category."""

    class Meta:
        model = CategoryRow
        fields = ("slug", "name", "parent")

    def clean(self) -> dict[str, Any]:
        """Check the category as the domain does."""
        given: dict[str, Any] = super().clean() or {}
        try:
            Category(id=CategoryId(self.instance.id), slug=given.get("slug", "-"), name=given.get("name", "-"))
        except InvalidInputError as refusal:
            self.add_error(refusal.at.strip("/"), refusal.message)
        return given


@admin.register(CategoryRow)
class CategoryAdmin(ModelAdmin):
    """Categories: added here; links refer to the slug, so it stays."""

    list_display = ("name", "slug", "parent", "product_count")
    list_select_related = ("parent",)
    search_fields = ("name", "slug")
    ordering = ("name", "id")
    form = CategoryForm
    fields = ("slug", "name", "parent")

    def get_queryset(self, request: HttpRequest) -> QuerySet[CategoryRow]:
        """Return the categories with the number of their products."""
        rows: QuerySet[CategoryRow] = super().get_queryset(request)
        return rows.annotate(product_count=Count("products"))

    has_change_permission = _never  # links refer to it

    has_delete_permission = _never  # products are in it

    def save_model(self, request: HttpRequest, obj: CategoryRow, form: object, change: bool) -> None:  # noqa: ARG002
        """Have the use case make the category."""
        act_as(f"staff:{request.user.pk}")
        obj.id = add_category(slug=obj.slug, name=obj.name, parent=obj.parent.slug if obj.parent else None)

    @display(description="products", ordering="product_count")
    def product_count(self, row: Any) -> int:
        """Return how many products are in it, without those below."""
        count: int = row.product_count
        return count


def _called(row: VariantRow) -> str:
    return f"{row.sku} ({row.name})" if row.name else row.sku


def _prices_of(row: VariantRow) -> str:
    prices = sorted((price.currency, price.amount_minor) for price in row.prices.all())
    return " / ".join(str(Money(minor, currency)) for currency, minor in prices)


def _product_id(object_id: object) -> ProductId:
    try:
        return ProductId(UUID(str(object_id)))
    except ValueError:
        raise Http404 from None


def _back_to(object_id: str) -> HttpResponse:
    """Have the dialog, which htmx sends, open the product again."""
    return HttpResponse(headers={"HX-Redirect": reverse("admin:catalog_productrow_change", args=[object_id])})
