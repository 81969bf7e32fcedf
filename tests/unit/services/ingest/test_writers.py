"""Whether a program has a file open for writing: on the file system of the tests, and where the kernel does not say."""

import fcntl
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from services.ingest.adapters import writers
from services.ingest.adapters.writers import Writers, hold_off_writers, writers_of


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "film.mp4").write_bytes(b"content")
    return tmp_path / "film.mp4"


@pytest.fixture
def descriptor(file: Path) -> Iterator[int]:
    descriptor = os.open(file, os.O_RDONLY)
    yield descriptor
    os.close(descriptor)


def test_who_has_a_file_open_for_writing_is_seen(file: Path, descriptor: int) -> None:
    # M-07
    assert writers_of(descriptor) is Writers.NONE
    with file.open("ab"):
        assert writers_of(descriptor) is Writers.SOME
        with hold_off_writers(descriptor) as held:
            assert held is Writers.SOME
    with file.open("rb"):
        assert writers_of(descriptor) is Writers.NONE


def test_whoever_opens_the_file_meanwhile_waits_and_ends_no_process(file: Path, descriptor: int) -> None:
    """The kernel's signal would."""
    opened = threading.Event()

    def write() -> None:
        with file.open("ab") as appended:
            appended.write(b", more")
        opened.set()

    with hold_off_writers(descriptor):
        writer = threading.Thread(target=write)
        writer.start()
        while b"LEASE" in (state := Path(f"/proc/self/fdinfo/{descriptor}").read_bytes()) and b"BREAKING" not in state:
            writer.join(0.01)
        assert not opened.is_set()
    writer.join()
    assert file.read_bytes() == b"content, more"


@pytest.mark.parametrize("error", [PermissionError, OSError(22, "no leases here")])
def test_without_a_lease_nobody_knows(descriptor: int, monkeypatch: pytest.MonkeyPatch, error: Any) -> None:
    """Of a file of another owner, say."""

    def refuses(*_arguments: Any) -> int:
        raise error

    monkeypatch.setattr(fcntl, "fcntl", refuses)
    assert writers_of(descriptor) is Writers.UNKNOWN


@pytest.mark.parametrize("file_system", ["nfs4", "cifs", "fuse.sshfs", "9p", None])
def test_what_the_kernel_says_of_a_mount_of_another_machine_does_not_count(
    file: Path, descriptor: int, monkeypatch: pytest.MonkeyPatch, file_system: str | None
) -> None:
    monkeypatch.setattr(writers, "_file_system", lambda _descriptor: file_system)
    with file.open("ab"):
        assert writers_of(descriptor) is Writers.UNKNOWN


def test_the_type_of_a_file_system_is_known() -> None:
    descriptor = os.open("/proc/self/mountinfo", os.O_RDONLY)
    try:
        assert writers._file_system(descriptor) == "proc"
        assert writers_of(descriptor) is Writers.UNKNOWN
    finally:
        os.close(descriptor)
