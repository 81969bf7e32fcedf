"""Trace ids: taken over from the caller, made where there is none, the same inside a span."""

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
