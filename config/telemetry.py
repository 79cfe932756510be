"""Traces by OpenTelemetry, where they are asked for: by the extra ``otel`` and ``OTEL_TRACES_EXPORTER``.

Left at ``none``, nothing of OpenTelemetry is imported, and a trace that a caller has begun is only handed on.
"""

from typing import Literal

from django.core.exceptions import ImproperlyConfigured

from shared.telemetry.tracing import trace_with

Exporter = Literal["none", "otlp", "console"]


def start_tracing(*, exporter: Exporter, share: float, service: str) -> None:
    """Keep spans of this process and hand them to the exporter; ``share`` of the traces that begin here, 0 to 1.

    Settings have to be configured and middleware not yet loaded. Raises ImproperlyConfigured without the extra.
    """
    if exporter == "none":
        return
    try:
        from config.opentelemetry import OpenTelemetryTracer, instrument, provider_for
    except ImportError as error:
        raise ImproperlyConfigured(
            "OTEL_TRACES_EXPORTER needs the extra `otel`: uv pip install -r pyproject.toml --extra otel"
        ) from error
    provider = provider_for(exporter=exporter, share=share, service=service)
    instrument(provider)
    trace_with(OpenTelemetryTracer(provider))
