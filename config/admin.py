"""The operators' admin site."""

from collections.abc import Callable
from functools import wraps
from math import ceil
from typing import Any

from django.contrib.admin.apps import AdminConfig
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from unfold.sites import UnfoldAdminSite

from shared.telemetry.context import act_as

View = Callable[..., HttpResponseBase]


class OrderlyAdminSite(UnfoldAdminSite):
    """The admin; a site of its own, so that Orderly decides who gets in and notes who acts."""

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponseBase:
        """Show the log-in page; with 429 and how long to wait after too many wrong passwords."""
        from config.log_in import LogInForm  # it needs the models, which this site is there before

        self.login_form = LogInForm
        response: HttpResponseBase = super().login(request, extra_context)
        refusal = getattr(request, "login_refusal", None)
        if refusal is not None:
            response.status_code = 429
            response["Retry-After"] = str(ceil(refusal.details["retry_after"]))
        return response

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
