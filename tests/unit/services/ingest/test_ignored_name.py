"""Names in watch folders that are left alone."""

import pytest
from pydantic import ValidationError

from services.ingest.domain.ignored_name import IgnoredNames, parse_patterns
from services.ingest.settings import Settings


@pytest.mark.parametrize(
    "name",
    [
        # Synology, QNAP and their kin
        "@eaDir", "film.mp4@SynoEAStream", "#recycle", "#snapshot", "@tmp", "@Recycle", "@Recently-Snapshot", ".@__thumb",
        "~snapshot", ".snapshot", ".zfs", "@GMT-2024.01.31-00.00.00",
        # Linux
        "lost+found", ".Trash-1000", ".nfs000000000123", ".film.mp4.Xa1b2C", ".~tmp~", ".in.film.mp4.",
        # Windows, in any case
        "$RECYCLE.BIN", "$Recycle.Bin", "System Volume Information", "SYSTEM VOLUME INFORMATION", "Thumbs.db", "THUMBS.DB",
        "thumbs.db", "Thumbs.db:encryptable", "ehthumbs_vista.db", "desktop.ini", "Desktop.ini", "~$report.docx", "RECYCLER",
        # macOS
        ".DS_Store", "._film.mp4", ".AppleDouble", ".Spotlight-V100", ".fseventsd", ".TemporaryItems", ".Trashes", "Icon\r",
        "Network Trash Folder",
        # Programs that synchronise or load
        ".sync", ".stfolder", ".stversions", ".~lock.report.odt#", "film.mp4.part", "film.mp4.PART", "film.mp4.crdownload",
        "film.mp4.filepart", "film.mp4.download", "film.tmp", "film.mp4.!qB", "film.mp4.aria2", "film.mp4~",
    ],
)  # fmt: skip
def test_names_of_machines_and_unfinished_copies_are_ignored(name: str) -> None:
    # M-07
    assert IgnoredNames().match(name)
    assert IgnoredNames().first_in(f"101_Clips/{name}/deeper/film.mp4") == f"101_Clips/{name}"


@pytest.mark.parametrize(
    "name",
    [
        "film.mp4", "eaDir", "@EADIR", "@home.mp4", "#1 hit.mp3", "recycle", "$9.99.png", "System Volume Information.pdf",
        "Thumbs.db.zip", "desktop.ini.mp4", "~film.mp4", "film~1.mp4", "film.part1.rar", "part", "tmp", "icon", "Icon",
        "lost and found", "Lost+Found", "a.sync", "Käse.mov",
    ],
)  # fmt: skip
def test_names_of_people_are_not(name: str) -> None:
    # M-07
    assert not IgnoredNames().match(name)
    assert IgnoredNames().first_in(f"101_Clips/{name}") is None


def test_an_operator_adds_patterns_that_match_in_any_case() -> None:
    ignored = IgnoredNames(parse_patterns(" *.xmp, Proxies,,Take [12] ?"))
    assert all(map(ignored.match, ["film.XMP", "proxies", "take 2 b", "@eaDir"]))
    assert not any(map(ignored.match, ["xmp", "Proxies2", "take 3 b"]))


def test_a_pattern_with_a_slash_is_refused() -> None:
    with pytest.raises(ValueError, match=r"Proxies/.*slash"):
        parse_patterns("*.xmp,Proxies/*")


def test_the_setting_is_a_list_of_patterns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LONGSHORE_INGEST_WATCH_IGNORE", "*.xmp, Proxies")
    assert Settings().ingest_watch_ignore == ("*.xmp", "Proxies")
    monkeypatch.setenv("LONGSHORE_INGEST_WATCH_IGNORE", "Proxies/*")
    with pytest.raises(ValidationError, match="slash"):
        Settings()
