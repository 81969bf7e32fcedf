"""What answers of destinations mean."""

import pytest

from libs.egress.client import Answer, EgressNetworkError, EgressRefusedError, EgressTimeoutError
from services.delivery.publishing.connectors.answer import failure_of, no_answer


@pytest.mark.parametrize(
    ("status", "code", "may_pass"),
    [
        (301, "destination_rejected", False),
        (400, "destination_rejected", False),
        (401, "destination_unauthorized", False),
        (403, "destination_unauthorized", False),
        (404, "destination_rejected", False),
        (408, "destination_unavailable", True),
        (425, "destination_unavailable", True),
        (429, "destination_unavailable", True),
        (500, "destination_unavailable", True),
        (503, "destination_unavailable", True),
        (599, "destination_unavailable", True),
    ],
)
def test_a_status_decides_whether_it_may_pass(status: int, code: str, may_pass: bool) -> None:
    error = failure_of(Answer(status, {"Retry-After": "30"}, b"internal words"))
    assert (error.code, error.may_pass, error.unreached) == (code, may_pass, False)
    assert error.retry_after_seconds == (30 if may_pass else None)
    assert str(status) in str(error)
    assert "internal words" not in str(error)


def test_no_answer_may_pass_but_a_refused_address_does_not() -> None:
    refused = no_answer(EgressRefusedError("address_forbidden", "the address is not public"))
    assert (refused.code, refused.may_pass) == ("destination_address_refused", False)
    late = no_answer(EgressTimeoutError("no answer in time"))
    assert (late.code, late.may_pass, late.unreached) == ("destination_timeout", True, True)
    away = no_answer(EgressNetworkError("name_unresolved", "the name has no address"))
    assert (away.code, away.may_pass, away.unreached) == ("destination_unreachable", True, True)
