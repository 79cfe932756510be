"""The adapter of ``shared.telemetry.tracing`` on OpenTelemetry; imported only where it is wanted."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Literal

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.django import DjangoInstrumentor
from opentelemetry.instrumentation.httpx import HTTPX2ClientInstrumentor
from opentelemetry.instrumentation.psycopg import PsycopgInstrumentor
from opentelemetry.propagate import set_global_textmap
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter, SimpleSpanProcessor
from opentelemetry.sdk.trace.sampling import Decision, ParentBased, Sampler, SamplingResult, TraceIdRatioBased
from opentelemetry.trace import Link, SpanKind, TraceState
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import AttributeValue

from shared.telemetry.context import current_work
from shared.telemetry.tracing import Kind

#: What probes and Prometheus ask for every few seconds.
NOT_TRACED = "healthz,readyz,metrics"
KINDS: Mapping[Kind, SpanKind] = {
    "internal": SpanKind.INTERNAL,
    "producer": SpanKind.PRODUCER,
    "consumer": SpanKind.CONSUMER,
}

_w3c = TraceContextTextMapPropagator()


class OpenTelemetryTracer:
    """Keeps spans with an OpenTelemetry provider."""

    def __init__(self, provider: TracerProvider) -> None:
        self._tracer = provider.get_tracer("orderly")

    @contextmanager
    def span(self, name: str, *, kind: Kind, parent: str) -> Iterator[str]:
        """Run the block as a span below the traceparent; give the traceparent of what the block sets in motion."""
        context = _w3c.extract({"traceparent": parent}, context=Context()) if parent else None
        with self._tracer.start_as_current_span(name, kind=KINDS[kind], context=context) as span:
            work = current_work()
            span.set_attributes({"orderly.correlation_id": work.correlation_id, "orderly.actor": work.actor})
            yield self.traceparent()

    def traceparent(self) -> str:
        """Return the traceparent of the span in hand, or nothing."""
        carrier: dict[str, str] = {}
        _w3c.inject(carrier)
        return carrier.get("traceparent", "")


class NoOrphans(Sampler):
    """Leaves out statements and calls that belong to no work, such as a relay's look into its tables."""

    def __init__(self, others: Sampler) -> None:
        self._others = others

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Mapping[str, AttributeValue] | None = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        """Drop what begins a trace and is a call to another; ask the other sampler about the rest."""
        if kind is SpanKind.CLIENT:
            return SamplingResult(Decision.DROP)
        return self._others.should_sample(parent_context, trace_id, name, kind, attributes, links, trace_state)

    def get_description(self) -> str:
        """Return the sampler in words."""
        return f"NoOrphans({self._others.get_description()})"


def provider_for(*, exporter: Literal["otlp", "console"], share: float, service: str) -> TracerProvider:
    """Return a provider that samples so many of the traces that begin here, and all or none of a trace.

    ``otlp`` sends to ``OTEL_EXPORTER_OTLP_ENDPOINT`` in batches; ``console`` writes one JSON object per line.
    """
    provider = TracerProvider(
        sampler=ParentBased(NoOrphans(TraceIdRatioBased(share))), resource=Resource.create({"service.name": service})
    )
    provider.add_span_processor(
        BatchSpanProcessor(OTLPSpanExporter())
        if exporter == "otlp"
        else SimpleSpanProcessor(ConsoleSpanExporter(out=sys.stdout, formatter=_as_line))
    )
    return provider


def instrument(provider: TracerProvider) -> None:
    """Have requests, SQL and HTTP calls become spans; only W3C's header is read and written."""
    trace.set_tracer_provider(provider)
    set_global_textmap(_w3c)
    DjangoInstrumentor().instrument(tracer_provider=provider, excluded_urls=NOT_TRACED)
    PsycopgInstrumentor().instrument(tracer_provider=provider, skip_dep_check=True)
    HTTPX2ClientInstrumentor().instrument(tracer_provider=provider)


def _as_line(span: ReadableSpan) -> str:
    return f"{span.to_json(indent=None)}\n"
