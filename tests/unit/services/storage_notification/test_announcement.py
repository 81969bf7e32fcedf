"""When an object is announced, and when again."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from contracts.ids import TenantId, UploadId
from services.storage_notification.domain.announcement import Expected, is_due

NOW = datetime(2026, 11, 20, tzinfo=UTC)


def expected(etag: str | None = None, minutes_ago: float = 0, announcements: int = 0) -> Expected:
    announced_at = NOW - timedelta(minutes=minutes_ago) if etag else None
    return Expected(UploadId(uuid4()), TenantId(uuid4()), "staging/a/b", None, etag, announced_at, announcements)


def test_a_new_version_is_due_at_once() -> None:
    assert is_due(expected(), "etag", NOW)
    assert is_due(expected("older", 0, 1), "etag", NOW)


@pytest.mark.parametrize(("announcements", "minutes"), [(1, 2), (2, 10), (3, 60), (9, 60)])
def test_an_announced_version_is_due_again_at_growing_distances(announcements: int, minutes: int) -> None:
    assert not is_due(expected("etag", minutes - 0.1, announcements), "etag", NOW)
    assert is_due(expected("etag", minutes, announcements), "etag", NOW)
