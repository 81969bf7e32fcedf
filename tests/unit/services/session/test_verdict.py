"""Declared against actual."""

from datetime import UTC, datetime

import pytest

from contracts.events import Constraints, StoredObject
from services.session.domain.verdict import verify
from services.session.jobs.sniffing import judge


def found(size: int, content_type: str | None = None) -> StoredObject:
    return StoredObject(
        key="staging/a/b", size_bytes=size, etag="e", content_type=content_type, stored_at=datetime(2026, 11, 20, tzinfo=UTC)
    )


@pytest.mark.parametrize(
    ("constraints", "size", "code"),
    [
        (Constraints(max_size_bytes=10), 10, None),
        (Constraints(max_size_bytes=10), 0, None),
        (Constraints(max_size_bytes=10), 11, "too_large"),
        (Constraints(max_size_bytes=10, min_size_bytes=1), 0, "too_small"),
        (Constraints(max_size_bytes=10, min_size_bytes=1), 1, None),
        (Constraints(max_size_bytes=10, size_bytes=5), 5, None),
        (Constraints(max_size_bytes=10, size_bytes=5), 4, "size_mismatch"),
        (Constraints(max_size_bytes=10, size_bytes=5), 11, "size_mismatch"),
        (Constraints(max_size_bytes=10, size_bytes=0), 1, "size_mismatch"),
    ],
)
def test_size_is_compared_with_what_was_declared_and_allowed(constraints: Constraints, size: int, code: str | None) -> None:
    verdict = verify(constraints, found(size))
    assert (verdict.code, verdict.accepted) == (code, code is None)


@pytest.mark.parametrize(
    ("declared", "actual", "code"),
    [
        ("image/png", "image/png", None),
        ("image/png", "IMAGE/PNG; charset=binary", None),
        ("Text/Plain; charset=utf-8", "text/plain", None),
        ("image/png", None, None),
        ("image/png", "", None),
        (None, "image/png", None),
        ("image/png", "image/jpeg", "content_type_mismatch"),
        ("image/png", "application/octet-stream", "content_type_mismatch"),
    ],
)
def test_types_are_compared_without_parameters_and_case(declared: str | None, actual: str | None, code: str | None) -> None:
    assert verify(Constraints(max_size_bytes=10, content_type=declared), found(1, actual)).code == code


@pytest.mark.parametrize(
    ("constraints", "actual", "code"),
    [
        (Constraints(max_size_bytes=10), "text/html", None),
        (Constraints(max_size_bytes=10, allowed_types=("image/*",)), "image/png", None),
        (Constraints(max_size_bytes=10, allowed_types=("image/*",), content_type="image/png"), "text/plain", "type_forbidden"),
        (Constraints(max_size_bytes=10, allowed_types=("text/csv",), content_type="text/csv"), "text/plain", None),
        (Constraints(max_size_bytes=10, forbidden_types=("text/html",)), "text/html", "type_forbidden"),
        (Constraints(max_size_bytes=10, forbidden_types=("text/html",)), "text/plain", None),
    ],
)
def test_the_bytes_must_be_of_a_type_that_is_taken(constraints: Constraints, actual: str, code: str | None) -> None:
    # U-E80
    assert judge(constraints, actual).code == code
