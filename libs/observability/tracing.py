"""Trace context: who asked for what is happening now.

The trace id doubles as `X-Request-Id` and as the events' `correlation_id`: 32 hex digits (W3C Trace Context). Ids are made
for every span; spans are recorded and exported only where an operator installed an OpenTelemetry tracer provider (e.g. by
starting the process under `opentelemetry-instrument`), because recording costs about as much as answering a request.
"""

import random
from collections.abc import Mapping
from contextlib import AbstractContextManager

from opentelemetry import trace
from opentelemetry.context import Context, attach, detach
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import NonRecordingSpan, Span, SpanContext, SpanKind
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

_PROPAGATOR = TraceContextTextMapPropagator()


def configure_tracing(service: str) -> None:
    """Once per process: names the service in the spans of the provider that the operator installed, if any."""
    provider = trace.get_tracer_provider()
    if isinstance(provider, TracerProvider) and "service.name" not in provider.resource.attributes:
        provider._resource = provider.resource.merge(Resource({"service.name": service}))


def span(
    name: str, *, headers: Mapping[str, str] | None = None, kind: SpanKind = SpanKind.INTERNAL
) -> AbstractContextManager[object]:
    """Runs the block inside a span; `headers` may carry the caller's `traceparent`."""
    traceparent = headers.get("traceparent") if headers else None
    context = _PROPAGATOR.extract({"traceparent": traceparent}) if traceparent else None
    if isinstance(trace.get_tracer_provider(), TracerProvider):
        return trace.get_tracer("longshore").start_as_current_span(name, context=context, kind=kind)
    return _Current(_unrecorded(context))


class _Current:
    """Makes a span the current one; a class, for a generator would cost twice as much."""

    def __init__(self, current: Span) -> None:
        self._span = current

    def __enter__(self) -> None:
        self._token = attach(trace.set_span_in_context(self._span))

    def __exit__(self, *_error: object) -> None:
        detach(self._token)


def _unrecorded(context: Context | None) -> NonRecordingSpan:
    """A span that only has ids: its parent's trace id, or a new one."""
    parent = trace.get_current_span(context).get_span_context()
    trace_id = parent.trace_id if parent.is_valid else random.getrandbits(128) or 1
    return NonRecordingSpan(SpanContext(trace_id, random.getrandbits(64) or 1, False, parent.trace_flags))


def current_traceparent() -> str | None:
    carrier: dict[str, str] = {}
    _PROPAGATOR.inject(carrier)
    return carrier.get("traceparent")


def caused_traceparent(traceparent: str | None) -> str | None:
    """The context for what a message with `traceparent` led to: the same trace, and a span of its own.

    Where the current span already belongs to that trace it is the parent, and so it is where the message named none.
    """
    current = current_traceparent()
    if traceparent is None or (current is not None and current[:35] == traceparent[:35]):
        return current
    return f"{traceparent[:36]}{random.getrandbits(64) or 1:016x}{traceparent[52:]}"


def current_trace_id() -> str:
    """32 hex digits; zeros outside any span."""
    return trace.format_trace_id(trace.get_current_span().get_span_context().trace_id)
