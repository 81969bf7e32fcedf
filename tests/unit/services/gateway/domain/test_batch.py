"""What may be sent under one upload id of the MediaLab API."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from contracts.ids import TenantId
from services.gateway.domain.batch import (
    Batch,
    BatchExpiredError,
    BatchFinishedError,
    BatchId,
    ExtensionRefusedError,
    FileOverLimitError,
    FilesOverLimitError,
    TotalOverLimitError,
)
from services.gateway.domain.error import GatewayError

NOW = datetime(2026, 9, 1, tzinfo=UTC)


def batch(**about: Any) -> Batch:
    usual = {"folder": "", "created_at": NOW, "expires_at": NOW + timedelta(days=1), "finishes_itself": False}
    return Batch(BatchId(uuid4()), TenantId(uuid4()), **{**usual, **about})


def test_a_batch_counts_its_files() -> None:
    # M-10, M-14, M-15
    after = batch(max_files=3, max_total_bytes=10).with_files([1, 2], NOW)

    assert (after.file_count, after.total_bytes, after.finished_at) == (2, 3, None)
    assert (after.files_left, after.bytes_left) == (1, 7)


def test_a_batch_without_limits_takes_everything() -> None:
    assert batch().with_files([2**40] * 1000, NOW).total_bytes == 1000 * 2**40


@pytest.mark.parametrize(
    ("about", "sizes", "refusal"),
    [
        ({"max_file_bytes": 5}, [5], None),
        ({"max_file_bytes": 5}, [1, 6], FileOverLimitError),  # M-13
        ({"max_files": 2}, [1, 1], None),
        ({"max_files": 2}, [1, 1, 1], FilesOverLimitError),  # M-14
        ({"max_files": 2, "file_count": 2}, [0], FilesOverLimitError),
        ({"max_total_bytes": 5}, [2, 3], None),
        ({"max_total_bytes": 5}, [3, 3], TotalOverLimitError),  # M-15
        ({"max_total_bytes": 5, "total_bytes": 5}, [0], None),
        ({"max_total_bytes": 5, "total_bytes": 5}, [1], TotalOverLimitError),
        ({"finished_at": NOW}, [1], BatchFinishedError),
    ],
)
def test_limits_hold_at_their_edges(about: dict[str, Any], sizes: list[int], refusal: type[GatewayError] | None) -> None:
    if refusal is None:
        batch(**about).with_files(sizes, NOW)
        return
    with pytest.raises(refusal):
        batch(**about).with_files(sizes, NOW)


def test_a_batch_may_finish_itself() -> None:
    # M-19
    assert batch(finishes_itself=True).with_files([1], NOW).finished_at == NOW


@pytest.mark.parametrize(
    ("about", "refusal"),
    [
        ({"expires_at": NOW}, BatchExpiredError),
        ({"finished_at": NOW, "expires_at": NOW}, BatchFinishedError),
        ({"max_files": 1, "file_count": 1}, FilesOverLimitError),
    ],
)
def test_a_batch_that_takes_nothing_says_so_before_anything_is_sent(about: dict[str, Any], refusal: type[GatewayError]) -> None:
    with pytest.raises(refusal):
        batch(**about).check_open(NOW)


@pytest.mark.parametrize("name", ["a.mp4", "A.MP4", "b.tar.mov", ".x.mov"])
def test_an_accepted_extension_counts_in_any_case(name: str) -> None:
    # M-16
    batch(extensions=("mp4", "mov")).check_name(name)
    batch().check_name(name)


@pytest.mark.parametrize("name", ["a", "mp4", ".mp4", "a.mp4.exe", "a.mp4 ", "a.", ""])
def test_any_other_extension_is_refused(name: str) -> None:
    # M-16
    with pytest.raises(ExtensionRefusedError):
        batch(extensions=("mp4", "mov")).check_name(name)
