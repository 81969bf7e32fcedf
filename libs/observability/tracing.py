"""Trace context: who asked for what is happening now.

The trace id doubles as `X-Request-Id` and as the events' `correlation_id`: 32 hex digits (W3C Trace Context).
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import SpanKind
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

_PROPAGATOR = TraceContextTextMapPropagator()


def configure_tracing(service: str) -> None:
    """Once per process. Spans are exported when an operator adds an exporter through OpenTelemetry's own settings."""
    if not isinstance(trace.get_tracer_provider(), TracerProvider):
        trace.set_tracer_provider(TracerProvider(resource=Resource.create({"service.name": service})))


@contextmanager
def span(name: str, *, headers: Mapping[str, str] | None = None, kind: SpanKind = SpanKind.INTERNAL) -> Iterator[None]:
    """Runs the block inside a span; `headers` may carry the caller's `traceparent`."""
    context = _PROPAGATOR.extract(dict(headers)) if headers else None
    with trace.get_tracer("longshore").start_as_current_span(name, context=context, kind=kind):
        yield


def current_traceparent() -> str | None:
    carrier: dict[str, str] = {}
    _PROPAGATOR.inject(carrier)
    return carrier.get("traceparent")


def current_trace_id() -> str:
    """32 hex digits; zeros outside any span."""
    return trace.format_trace_id(trace.get_current_span().get_span_context().trace_id)
