"""The operators' admin site."""

from django.contrib.admin.apps import AdminConfig
from unfold.sites import UnfoldAdminSite


class OrderlyAdminSite(UnfoldAdminSite):
    """The admin; a site of its own, so that Orderly decides who gets in."""


class OrderlyAdminConfig(AdminConfig):
    default_site = "config.admin.OrderlyAdminSite"
