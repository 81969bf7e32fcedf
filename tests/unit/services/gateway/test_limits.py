"""How long an upload that began in time is waited for."""

from datetime import UTC, datetime, timedelta

import pytest

from services.gateway.deps import Limits

END = datetime(2026, 9, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def limits(max_upload_bytes: int = 5 * 2**30) -> Limits:
    return Limits(
        max_upload_bytes=max_upload_bytes,
        retention=DAY,
        temporary=DAY,
        eachlabs_url=DAY,
        json2video_url=DAY,
        uploadcare_part_url=DAY,
        medialab_upload=DAY,
        upload24_url=DAY,
        upload24_session=DAY,
        put_grace=timedelta(minutes=15),
        put_bytes_per_second=128 * 2**10,
        free_allowance_bytes=0,
        credits_per_week=0,
    )


@pytest.mark.parametrize(
    ("size_bytes", "grace"),
    [
        (1, timedelta(minutes=15)),
        (500 * 2**20, timedelta(seconds=4000)),
        (None, timedelta(seconds=8192)),
    ],
)
def test_a_long_put_is_waited_for_as_its_size_demands(size_bytes: int | None, grace: timedelta) -> None:
    # 5.4.10
    assert limits().put_deadline(END, size_bytes) == END + grace


def test_an_undeclared_size_is_at_most_the_largest_that_is_taken() -> None:
    assert limits(max_upload_bytes=256 * 2**20).put_deadline(END, None) == END + timedelta(seconds=2048)
