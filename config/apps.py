from django.apps import AppConfig
from django.conf import settings


class ConfigConfig(AppConfig):
    """Brings the commands that need several contexts, such as seed and replay."""

    name = "config"
    label = "config"

    def ready(self) -> None:
        import config.celery  # noqa: F401 - every process can reach the broker
        from config import metrics
        from config.telemetry import start_tracing
        from shared.resilience.metrics import BreakerCollector
        from shared.resilience.vendor import names
        from shared.telemetry.metrics import COLLECTORS, GAUGES

        COLLECTORS.append(BreakerCollector(names))
        GAUGES.extend(metrics.GAUGES)
        start_tracing(**settings.TRACING)
