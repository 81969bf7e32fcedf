"""What caches may keep, and never beyond the end of what they keep."""

from datetime import UTC, datetime, timedelta

import pytest

from services.gateway.files.caching import CachePolicy, Caching

NOW = datetime(2026, 9, 1, 10, tzinfo=UTC)
POLICY = CachePolicy(3600)


@pytest.mark.parametrize(
    ("caching", "left_seconds", "expected"),
    [
        (Caching.IMMUTABLE, None, "public, max-age=3600, immutable"),
        (Caching.IMMUTABLE, 7200, "public, max-age=3600, immutable"),
        (Caching.IMMUTABLE, 90.9, "public, max-age=90, immutable"),
        (Caching.IMMUTABLE, 0.9, "no-cache"),
        (Caching.PRIVATE, 7200, "private, max-age=3600"),
        (Caching.PRIVATE, 300, "private, max-age=300"),
        (Caching.PRIVATE, 0, "private, no-cache"),
        (Caching.PRIVATE, -5, "private, no-cache"),
        (Caching.REVALIDATED, None, "no-cache"),
        (Caching.REVALIDATED, 7200, "no-cache"),
    ],
)
def test_nothing_is_kept_beyond_its_end(caching: Caching, left_seconds: float | None, expected: str) -> None:
    expires_at = None if left_seconds is None else NOW + timedelta(seconds=left_seconds)
    assert POLICY.cache_control(caching, expires_at, NOW) == expected


@pytest.mark.parametrize(("caching", "expected"), [(Caching.IMMUTABLE, "no-cache"), (Caching.PRIVATE, "private, no-cache")])
def test_a_policy_of_zero_has_everything_asked_about(caching: Caching, expected: str) -> None:
    assert CachePolicy(0).cache_control(caching, NOW + timedelta(days=1), NOW) == expected
