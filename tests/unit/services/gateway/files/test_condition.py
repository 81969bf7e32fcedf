"""RFC 9110 §13: the client's validators against the file's."""

from datetime import UTC, datetime

import pytest
from multidict import CIMultiDict

from services.gateway.files.condition import Validators, Verdict

FILE = Validators("abc-1", datetime(2026, 3, 4, 5, 6, 7, 890000, UTC))
NOW = "Wed, 04 Mar 2026 05:06:07 GMT"
BEFORE = "Wed, 04 Mar 2026 05:06:06 GMT"
AFTER = "Wed, 04 Mar 2026 05:06:08 GMT"

SEND, NOT_MODIFIED, FAILED = Verdict.SEND, Verdict.NOT_MODIFIED, Verdict.PRECONDITION_FAILED


@pytest.mark.parametrize(
    ("headers", "verdict"),
    [
        ({}, SEND),
        ({"If-None-Match": '"abc-1"'}, NOT_MODIFIED),
        ({"If-None-Match": 'W/"abc-1"'}, NOT_MODIFIED),
        ({"If-None-Match": '"x", "abc-1"'}, NOT_MODIFIED),
        ({"If-None-Match": "*"}, NOT_MODIFIED),
        ({"If-None-Match": '"x"'}, SEND),
        ({"If-None-Match": "abc-1"}, SEND),
        ({"If-Modified-Since": NOW}, NOT_MODIFIED),
        ({"If-Modified-Since": AFTER}, NOT_MODIFIED),
        ({"If-Modified-Since": BEFORE}, SEND),
        ({"If-Modified-Since": "yesterday"}, SEND),
        ({"If-Modified-Since": "Wed, 04 Mar 99999999 05:06:07 GMT"}, SEND),
        ({"If-None-Match": '"x"', "If-Modified-Since": AFTER}, SEND),
        ({"If-Match": '"abc-1"'}, SEND),
        ({"If-Match": "*"}, SEND),
        ({"If-Match": '"x"'}, FAILED),
        ({"If-Match": 'W/"abc-1"'}, FAILED),
        ({"If-Unmodified-Since": BEFORE}, FAILED),
        ({"If-Unmodified-Since": NOW}, SEND),
        ({"If-Match": '"abc-1"', "If-Unmodified-Since": BEFORE}, SEND),
        ({"If-Match": '"abc-1"', "If-None-Match": '"abc-1"'}, NOT_MODIFIED),
    ],
)
def test_conditions_are_judged_in_the_order_of_the_rfc(headers: dict[str, str], verdict: Verdict) -> None:
    assert FILE.judge(CIMultiDict(headers)) is verdict


@pytest.mark.parametrize(
    ("if_range", "counts"),
    [
        (None, True),
        ('"abc-1"', True),
        ('W/"abc-1"', False),
        ('"x"', False),
        (NOW, True),
        (BEFORE, False),
        (AFTER, False),
        ("junk", False),
    ],
)
def test_if_range_needs_exactly_the_current_validator(if_range: str | None, counts: bool) -> None:
    assert FILE.range_counts(if_range) is counts


def test_last_modified_is_a_gmt_date() -> None:
    assert FILE.last_modified == NOW
