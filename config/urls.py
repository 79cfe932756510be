from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path
from django.views.generic import RedirectView

from config.client_api import client_api
from config.operator_api import urls as operator_urls
from shared.health.views import healthz, readyz
from shared.telemetry.metrics import metrics

urlpatterns: list[URLPattern | URLResolver] = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("api/v1/", client_api.urls),
    path("api/ops/v1/", include(operator_urls)),
    path("admin/", admin.site.urls),
    path("healthz", healthz),
    path("readyz", readyz),
    path("metrics", metrics),
]
