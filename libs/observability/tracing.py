"""Trace context: who asked for what is happening now.

The trace id doubles as `X-Request-Id` and as the events' `correlation_id`: 32 hex digits (W3C Trace Context). Ids are made
for every span; spans are recorded and exported only where an operator installed an OpenTelemetry tracer provider (e.g. by
starting the process under `opentelemetry-instrument`), because recording costs about as much as answering a request.
"""

import random
from collections.abc import Mapping
from contextlib import AbstractContextManager
from contextvars import ContextVar, Token

from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import SpanKind
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

_PROPAGATOR = TraceContextTextMapPropagator()
_UNNAMED = "unknown_service"
"""What OpenTelemetry calls a service whose operator named none."""


def configure_tracing(service: str) -> None:
    """Once per process: names the service in the spans of the provider that the operator installed, if any."""
    provider = trace.get_tracer_provider()
    if isinstance(provider, TracerProvider):
        _Recording.on = True
        if str(provider.resource.attributes.get("service.name", _UNNAMED)).startswith(_UNNAMED):
            provider._resource = provider.resource.merge(Resource({"service.name": service}))


class _Recording:
    on = False
    """A provider is installed: spans are its own."""


def span(
    name: str, *, headers: Mapping[str, str] | None = None, kind: SpanKind = SpanKind.INTERNAL
) -> AbstractContextManager[object]:
    """Runs the block inside a span; `headers` may carry the caller's `traceparent`."""
    traceparent = headers.get("traceparent") if headers else None
    if _Recording.on:
        context = _PROPAGATOR.extract({"traceparent": traceparent}) if traceparent else None
        return trace.get_tracer("longshore").start_as_current_span(name, context=context, kind=kind)
    parent = _called_by(traceparent) if traceparent else _unrecorded.get()
    return _Unrecorded(parent.trace_id, parent.flags) if parent else _Unrecorded(f"{random.getrandbits(128) or 1:032x}", 0)


class _Unrecorded:
    """A span that only has ids. Each request makes one, and OpenTelemetry's own cost several times as much."""

    __slots__ = ("_token", "flags", "span_id", "trace_id")

    def __init__(self, trace_id: str, flags: int) -> None:
        self.trace_id = trace_id
        self.span_id = random.getrandbits(64) or 1
        self.flags = flags

    def __enter__(self) -> None:
        self._token: Token[_Unrecorded | None] = _unrecorded.set(self)

    def __exit__(self, *_error: object) -> None:
        _unrecorded.reset(self._token)


_unrecorded: ContextVar[_Unrecorded | None] = ContextVar("unrecorded_span", default=None)


def _called_by(traceparent: str) -> _Unrecorded | None:
    """The caller's span; None where the header is broken."""
    context = trace.get_current_span(_PROPAGATOR.extract({"traceparent": traceparent})).get_span_context()
    return _Unrecorded(trace.format_trace_id(context.trace_id), context.trace_flags) if context.is_valid else None


def current_traceparent() -> str | None:
    if _Recording.on:
        carrier: dict[str, str] = {}
        _PROPAGATOR.inject(carrier)
        return carrier.get("traceparent")
    found = _unrecorded.get()
    return f"00-{found.trace_id}-{found.span_id:016x}-{found.flags:02x}" if found else None


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
    if _Recording.on:
        return trace.format_trace_id(trace.get_current_span().get_span_context().trace_id)
    found = _unrecorded.get()
    return found.trace_id if found else "0" * 32
