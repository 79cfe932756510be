"""The operators' admin site."""

from collections.abc import Callable
from functools import wraps
from math import ceil
from typing import Any
from urllib.parse import urlencode

from django.contrib.admin.apps import AdminConfig
from django.http import HttpRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.urls import path, reverse
from unfold.sites import UnfoldAdminSite

from shared.telemetry.context import act_as

View = Callable[..., HttpResponseBase]


class OrderlyAdminSite(UnfoldAdminSite):
    """The admin; a site of its own, so that Orderly decides who gets in and notes who acts."""

    def has_permission(self, request: HttpRequest) -> bool:
        """Let staff in who have shown their second factor, where one is wanted."""
        from contexts.identity.admin.second_factor import has_shown_enough  # needs the models; the site comes first

        return bool(super().has_permission(request)) and has_shown_enough(request)

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponseBase:
        """Ask for address and password, then for the second factor; 429 after too many wrong passwords."""
        from config.log_in import LogInForm  # it needs the models, which this site is there before

        user: Any = request.user
        if user.is_authenticated and user.is_staff and not self.has_permission(request):
            wanted = urlencode({"next": request.GET.get("next", "")})
            return HttpResponseRedirect(f"{reverse('admin:second_factor')}?{wanted}")
        self.login_form = LogInForm
        response: HttpResponseBase = super().login(request, extra_context)
        refusal = getattr(request, "login_refusal", None)
        if refusal is not None:
            response.status_code = 429
            response["Retry-After"] = str(ceil(refusal.details["retry_after"]))
        return response

    def get_urls(self) -> list[Any]:
        """Add the pages of the second factor, which are there for those who may not see the others yet."""
        from contexts.identity.admin.second_factor import set_up_second_factor, show_second_factor

        return [
            path("second-factor/", show_second_factor, name="second_factor"),
            path("second-factor/set-up/", set_up_second_factor, name="second_factor_set_up"),
            *super().get_urls(),
        ]

    def admin_view(self, view: View, cacheable: bool = False) -> View:
        """Wrap a page so that whatever it sets in motion is recorded as done by the operator."""
        inner: View = super().admin_view(view, cacheable)

        @wraps(inner)
        def page(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if request.user.is_authenticated:
                act_as(f"staff:{request.user.pk}")
            return inner(request, *args, **kwargs)

        return page


class OrderlyAdminConfig(AdminConfig):
    default_site = "config.admin.OrderlyAdminSite"
