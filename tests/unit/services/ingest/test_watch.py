"""The rules of watch folders."""

from uuid import UUID

import pytest

from contracts.ids import UploadId
from services.ingest.domain.ignored_name import IgnoredNames
from services.ingest.domain.watch import (
    ERROR,
    LOCK,
    WatchedFile,
    beside,
    clear_pause_seconds,
    draft_of,
    error_note,
    folder_of,
    is_candidate,
    is_error_note,
    other_name,
    recheck_pause_seconds,
)


@pytest.mark.parametrize(
    "path", ["film.mp4", "101_Clips/film.mp4", "a/b/c/film", "Käse und Brot.mov", "part.mp4", "lock", "x.error.txt.mp4"]
)
def test_ordinary_files_are_candidates(path: str) -> None:
    # M-07
    assert is_candidate(path, IgnoredNames())


@pytest.mark.parametrize(
    "path",
    [
        ".hidden", ".DS_Store", ".done/film.mp4", "a/.b/film.mp4", "film.mp4.lock", "film.mp4.LOCK", "film.mp4.part",
        "film.mp4.crdownload", "film.mp4.filepart", "film.tmp", "film.mp4~", "film.mp4.error.txt", "a/" * 9 + "film.mp4",
        "x" * 2001, "film\udcff.mp4",
    ],
)  # fmt: skip
def test_hidden_and_unfinished_files_are_not(path: str) -> None:
    # M-07
    assert not is_candidate(path, IgnoredNames())


@pytest.mark.parametrize(
    ("path", "folder"),
    [
        ("film.mp4", (None, None)),
        ("101_Clips/film.mp4", ("101", "Clips")),
        ("101_My_own clips/deeper/film.mp4", ("101", "My_own clips")),
        ("0_/film.mp4", ("0", None)),
        ("Clips/film.mp4", (None, "Clips")),
        ("x101_Clips/film.mp4", (None, "x101_Clips")),
        ("101/film.mp4", (None, "101")),
        ("9" * 19 + "_Clips/film.mp4", (None, "9" * 19 + "_Clips")),
    ],
)
def test_the_subfolder_names_id_and_label(path: str, folder: tuple[str | None, str | None]) -> None:
    # M-07, part 2.1: `<folder_id>_<label>`
    assert folder_of(path) == folder


def test_names_beside_a_file_fit_into_the_file_system() -> None:
    assert (beside("film.mp4", LOCK), beside("film.mp4", ERROR)) == ("film.mp4.lock", "film.mp4.error.txt")
    longest = "ä" * 127
    assert len(beside(longest, ERROR).encode()) <= 255
    assert beside(longest, ERROR) != beside(longest[:-1] + "x", ERROR)
    assert draft_of("film.mp4") == ".film.mp4.draft"
    for name in (longest, "x" * 249, "x" * 248):
        assert len(draft_of(name).encode()) <= 255
        assert IgnoredNames().match(draft_of(name))


@pytest.mark.parametrize("name", ["film.mp4", "film", "a.b.mp4", "ä" * 125 + ".mp4", ".x"])
def test_another_name_is_like_the_first(name: str) -> None:
    file = WatchedFile(UploadId(UUID(int=1 << 127)), f"folder/{name}", 1, "1")
    other = other_name(file)
    assert other != name
    assert len(other.encode()) <= 255
    assert other.rpartition(".")[2] == name.rpartition(".")[2] or "." not in name or name == ".x"


def test_pauses_grow_to_five_minutes() -> None:
    assert [clear_pause_seconds(attempts) for attempts in (1, 2, 3, 9, 10, 1000)] == [1, 2, 4, 256, 300, 300]


def test_rechecks_are_as_far_apart_as_the_file_is_old_and_the_last_one_ends_the_grace() -> None:
    elapsed, pauses = 0.0, []
    while pause := recheck_pause_seconds(elapsed, settle_seconds=60, grace_seconds=1000):
        pauses.append(pause)
        elapsed += pause
    assert pauses == [60, 60, 120, 240, 480, 40]
    assert recheck_pause_seconds(1001, 60, 1000) == 0
    assert recheck_pause_seconds(0, 0, 10) == 1


def test_an_error_note_is_known_by_its_end() -> None:
    assert error_note("infected: Eicar").startswith(b"infected: Eicar\n")
    assert is_error_note(error_note("infected: Eicar"))
    assert not is_error_note(b"infected: Eicar\n")
    assert not is_error_note(error_note("infected: Eicar") + b"and what somebody added\n")
