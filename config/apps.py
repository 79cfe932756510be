from django.apps import AppConfig
from django.conf import settings
from django.db.models.signals import post_migrate


class ConfigConfig(AppConfig):
    """Brings the commands that need several contexts, such as seed and replay."""

    name = "config"
    label = "config"

    def ready(self) -> None:
        import config.celery  # noqa: F401 - every process can reach the broker
        from config import metrics
        from config.groups import make_roles
        from config.telemetry import start_tracing
        from shared.resilience.metrics import BreakerCollector
        from shared.resilience.vendor import names
        from shared.telemetry.metrics import COLLECTORS, GAUGES

        post_migrate.connect(make_roles, dispatch_uid="config.make_roles")
        COLLECTORS.append(BreakerCollector(names))
        GAUGES.extend(metrics.GAUGES)
        start_tracing(**settings.TRACING)
