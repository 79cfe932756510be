"""The operators' admin site."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.admin.apps import AdminConfig
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from unfold.sites import UnfoldAdminSite

from shared.telemetry.context import act_as

View = Callable[..., HttpResponseBase]


class OrderlyAdminSite(UnfoldAdminSite):
    """The admin; a site of its own, so that Orderly decides who gets in and notes who acts."""

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
