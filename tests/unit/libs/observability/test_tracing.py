"""Trace ids: taken over from the caller, made where there is none, the same inside a span."""

import subprocess
import sys

import pytest

from libs.observability.tracing import current_trace_id, current_traceparent, span

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"


def test_a_span_goes_on_with_the_callers_trace() -> None:
    with span("outer", headers={"traceparent": f"00-{TRACE_ID}-b7ad6b7169203331-01"}):
        assert current_trace_id() == TRACE_ID
        with span("inner"):
            assert current_trace_id() == TRACE_ID
            traceparent = current_traceparent()
    assert traceparent is not None
    assert traceparent.startswith(f"00-{TRACE_ID}-")
    assert traceparent.endswith("-01")
    assert "b7ad6b7169203331" not in traceparent
    assert current_trace_id() == "0" * 32


def test_spans_without_a_caller_have_ids_of_their_own() -> None:
    with span("one"):
        first = current_trace_id()
    with span("two"):
        second = current_trace_id()
    assert len({first, second, "0" * 32}) == 3


@pytest.mark.parametrize("traceparent", ["", "junk", f"00-{TRACE_ID}", f"00-{'0' * 32}-b7ad6b7169203331-01"])
def test_a_broken_trace_context_is_ignored(traceparent: str) -> None:
    with span("one", headers={"traceparent": traceparent}):
        assert current_trace_id() not in (TRACE_ID, "0" * 32)


def test_a_broken_trace_context_inside_a_span_begins_another_trace() -> None:
    with span("outer"):
        outer = current_trace_id()
        with span("inner", headers={"traceparent": "junk"}):
            assert current_trace_id() not in (outer, "0" * 32)
        assert current_trace_id() == outer


def test_outside_any_span_there_is_no_context_to_pass_on() -> None:
    assert current_traceparent() is None


RECORDED = """
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from libs.observability.tracing import configure_tracing, current_trace_id, current_traceparent, span

spans = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(spans))
trace.set_tracer_provider(provider)
configure_tracing("gateway")
with span("outer", headers={"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}):
    with span("inner"):
        print(current_trace_id(), current_traceparent())
inner, outer = spans.get_finished_spans()
service = outer.resource.attributes["service.name"]
print(inner.name, outer.name, f"{outer.parent.span_id:x}", f"{inner.context.span_id:016x}", service)
"""


def test_spans_are_recorded_where_the_operator_installed_a_provider() -> None:
    done = subprocess.run([sys.executable, "-c", RECORDED], check=True, capture_output=True, text=True, timeout=60)
    ids, names = done.stdout.splitlines()
    inner, outer, parent, span_id, service = names.split()
    assert ids == f"{TRACE_ID} 00-{TRACE_ID}-{span_id}-01"
    assert (inner, outer, parent, service) == ("inner", "outer", "b7ad6b7169203331", "gateway")
