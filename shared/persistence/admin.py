"""How operators see rows: read-only, newest first, and never counted.

A row is changed by a use case that an action calls; no form of the admin saves it, so no invariant is bypassed
and no event is missing.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cached_property
from typing import Any, TypeVar, cast
from uuid import UUID

from django.contrib import messages
from django.contrib.admin import ShowFacets
from django.db.models import Q, QuerySet
from django.db.models.expressions import Combinable
from django.http import Http404, HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from unfold import decorators, paginator
from unfold.admin import ModelAdmin, TabularInline
from unfold.contrib.filters.admin import RangeDateFilter
from unfold.forms import PaginationInlineFormSet
from unfold.utils import parse_date_str

from shared.domain.errors import OrderlyError
from shared.domain.money import Money
from shared.persistence.unit_of_work import in_transaction_with_retry

F = TypeVar("F", bound=Callable[..., Any])

ROWS_PER_PAGE = 50
DEEPEST_ROW = 10_000
NEWEST = 50
NOTHING = "–"  # noqa: RUF001 - what an empty cell shows


class InfinitePaginator(paginator.InfinitePaginator):
    """Pages without a number of pages: one statement per page, however many rows there are.

    A ``count(*)`` reads the whole table, and a large OFFSET reads all that it skips; so nothing is counted, and
    the pages end at the row of number DEEPEST_ROW: whoever looks for older ones narrows the search instead.
    The name is unfold's, because its templates show a count for a paginator of any other name.
    """

    template_name = "admin/pagination_uncounted.html"

    @cached_property
    def count(self) -> int:
        """Return how many rows may be paged through, not how many there are."""
        return DEEPEST_ROW


@dataclass(frozen=True, slots=True)
class _Titled:
    """A row under its title: the templates call it by ``str()``, and rows have no name of their own."""

    row: Any
    title: str

    def __getattr__(self, name: str) -> Any:
        return getattr(self.row, name)

    def __str__(self) -> str:
        return self.title


class ReadOnlyAdmin(ModelAdmin):
    """A list and a page per row, to look at."""

    paginator = InfinitePaginator
    list_per_page = ROWS_PER_PAGE
    list_max_show_all = 0
    show_full_result_count = False
    show_facets = ShowFacets.NEVER
    list_filter_submit = True
    list_fullwidth = True
    list_disable_select_all = True
    sortable_by: Sequence[str] = ()

    def title_of(self, row: Any) -> str:
        """Return what the page of the row is called."""
        return str(row.pk)

    def context_of(self, row: Any) -> dict[str, Any]:  # noqa: ARG002 - for those who need it
        """Return what the template of the row's page needs besides."""
        return {}

    def found_by(self, term: str) -> Q | None:  # noqa: ARG002 - for those who search otherwise
        """Return what the search term finds, by indexed columns; None leaves it to ``search_fields``."""
        return None

    def get_search_results(
        self,
        request: HttpRequest,
        queryset: QuerySet[Any],
        search_term: str,
    ) -> tuple[QuerySet[Any], bool]:
        """Return the rows that the search term finds, each once."""
        term = search_term.strip()
        found = self.found_by(term) if term else Q()
        if found is not None:
            return queryset.filter(found), False
        results: tuple[QuerySet[Any], bool] = super().get_search_results(request, queryset, term)
        return results

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        """Show one row under its own title."""
        response = super().change_view(request, object_id, form_url, extra_context)
        row = (getattr(response, "context_data", None) or {}).get("original")
        if row is not None:
            title = self.title_of(row)
            response.context_data |= {"original": _Titled(row, title), "subtitle": title, **self.context_of(row)}
        return response

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002
        """Refuse: rows come from use cases."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:  # noqa: ARG002
        """Refuse: rows are changed by use cases."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:  # noqa: ARG002
        """Refuse: what happened stays on record."""
        return False


class ReadOnlyInline(TabularInline):
    """The rows that belong to another row, to look at."""

    extra = 0
    max_num = 0
    can_delete = False
    hide_title = True

    def has_add_permission(self, request: HttpRequest, obj: object = None) -> bool:  # noqa: ARG002
        """Refuse: rows come from use cases."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:  # noqa: ARG002
        """Refuse: rows are changed by use cases."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:  # noqa: ARG002
        """Refuse: what happened stays on record."""
        return False


class NewestFormSet(PaginationInlineFormSet):
    """The newest rows only: a busy item has more movements than a page can show."""

    @cached_property
    def _newest(self) -> QuerySet[Any]:
        rows: QuerySet[Any] = super().get_queryset()
        return rows[:NEWEST]

    def get_queryset(self) -> QuerySet[Any]:
        """Return the newest rows, as the inline orders them."""
        return self._newest


class DayRangeFilter(RangeDateFilter):
    """Rows from one day to another, both included, in UTC."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:  # noqa: ARG002
        """Keep the rows of these days; a date that cannot be read is left out."""
        first, last = self._day("from"), self._day("to")
        if first is not None:
            queryset = queryset.filter(**{f"{self.field_path}__gte": first})
        if last is not None:
            queryset = queryset.filter(**{f"{self.field_path}__lt": last + timedelta(days=1)})
        return queryset

    def _day(self, end: str) -> datetime | None:
        given = self.used_parameters.get(f"{self.field_path}_{end}")
        day = parse_date_str(given) if given else None
        return datetime(day.year, day.month, day.day, tzinfo=UTC) if day else None


def column(description: str, *, ordering: str | Combinable | None = None) -> Callable[[F], F]:
    """Name the method as a column or field of the admin."""
    return cast(Callable[[F], F], decorators.display(description=description, ordering=ordering))


def detail_action(
    description: str, *, url_path: str, icon: str, permission: str, dialog: Mapping[str, Any], variant: Any = None
) -> Callable[[F], F]:
    """Have the method called from the row's page, after the operator filled in the dialog.

    The permission names a method of the admin. One with a dot would have unfold look for it in the database
    whenever Django checks itself, even before the first migration.
    """
    return cast(
        Callable[[F], F],
        decorators.action(
            description=description,
            url_path=url_path,
            icon=icon,
            permissions=[permission],
            dialog=dict(dialog),
            variant=variant,
        ),
    )


def attempt(request: HttpRequest, work: Callable[[], object], *, done: str) -> bool:
    """Run the use case, again when it lost a race; tell the operator that it is done, or why it is not."""
    try:
        in_transaction_with_retry(work)
    except OrderlyError as refusal:
        messages.error(request, _in_words(refusal))
        return False
    messages.success(request, done)
    return True


def back_to(name: str, object_id: object) -> HttpResponse:
    """Have the dialog, which htmx sends, open the row's page again."""
    return HttpResponse(headers={"HX-Redirect": reverse(f"admin:{name}_change", args=[object_id])})


def labelled(value: str, colours: Mapping[str, str]) -> SafeString:
    """Show a status in words, in its colour."""
    text = value.replace("_", " ")
    return mark_safe(render_to_string("unfold/helpers/label.html", {"text": text, "type": colours.get(value)}))  # noqa: S308


def linked(name: str, object_id: object, text: object) -> SafeString:
    """Show a link to the page of a row, which may belong to another context."""
    return format_html('<a href="{}" class="text-link">{}</a>', reverse(f"admin:{name}_change", args=[object_id]), text)


def amount(money: Money) -> SafeString:
    """Show an amount with the decimals of its currency, its digits below each other."""
    return format_html(
        '<span style="font-variant-numeric: tabular-nums; white-space: nowrap">{} {}</span>',
        format(Decimal(money.amount), ","),
        money.currency,
    )


def moment(at: datetime | None) -> SafeString:
    """Show a time in UTC, to the second."""
    text = f"{at.astimezone(UTC):%d %b %Y, %H:%M:%S}" if at else NOTHING
    return format_html('<span style="white-space: nowrap">{}</span>', text)


def short(id_: UUID) -> SafeString:
    """Show the ends of an id, with the whole of it as a hint."""
    return format_html('<span style="white-space: nowrap" title="{}">{}…{}</span>', id_, str(id_)[:8], str(id_)[-6:])


def actor_in_words(actor: str) -> SafeString:
    """Show who acted: the kind, and the end of the id with the whole of it as a hint."""
    kind, _, id_ = actor.partition(":")
    if not id_:
        return format_html("{}", kind or NOTHING)
    return format_html('<span title="{}">{} …{}</span>', id_, kind, id_[-6:])


def id_in(term: str) -> UUID | None:
    """Return the id that the operator searches for, if it is one."""
    try:
        return UUID(term.strip())
    except ValueError:
        return None


def id_or_404(object_id: object) -> UUID:
    """Return the id in an address, or answer that there is nothing."""
    id_ = id_in(str(object_id))
    if id_ is None:
        raise Http404
    return id_


def _in_words(error: OrderlyError) -> str:
    details = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in error.details.items())
    return f"{error.message} ({details})" if details else error.message
