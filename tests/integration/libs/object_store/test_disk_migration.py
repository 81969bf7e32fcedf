"""A data directory that an earlier version has written to goes on working."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from libs.object_store import disk_migration
from libs.object_store.disk import DiskStore
from libs.object_store.port import ObjectInfo, delete_prefix
from tests.integration.libs.object_store.crash import CrashError, crash_before_step

AT = datetime(2026, 9, 1, 12, 30, 1, 250_000, tzinfo=UTC)
CONTENTS = {
    "a": b"one segment",
    "files/1/original.png": b"small" * 100,
    "files/1/renditions/poster.jpg": b"deeper",
    "files/2/original": bytes(3 * 1024**2),
    "staging/3/token": b"",
}
MULTIPART_ID = "0123456789abcdef" * 2


def old_directory(root: Path) -> None:
    """As the version before had it: a folder for each object, and what a crash had left there."""
    for number, (key, content) in enumerate(CONTENTS.items()):
        folder = root / "objects" / key
        folder.mkdir(parents=True, exist_ok=True)
        meta = {
            "key": key,
            "data": f".data-{number:016x}",
            "size_bytes": len(content),
            "etag": f"etag-{number}-1",
            "crc32c": "00000000",
            "modified_at": AT.isoformat(),
            "content_type": "image/png",
            "metadata": {"number": str(number)},
        }
        (folder / ".meta.json").write_text(json.dumps(meta))
        (folder / f".data-{number:016x}").write_bytes(content)
    (root / "objects" / "a" / ".data-of-a-crash").write_bytes(b"lost")
    (root / "objects" / "files" / "4").mkdir()
    (root / "tmp").mkdir()
    (root / "tmp" / "intention.meta").write_text("{}")
    upload = root / "multipart" / MULTIPART_ID
    upload.mkdir(parents=True)
    record = {"key": "staging/5/token", "started_at": AT.isoformat(), "content_type": "video/mp4", "metadata": {}}
    (upload / "upload.json").write_text(json.dumps(record))


async def opened(root: Path) -> DiskStore:
    store = DiskStore(root, "http://127.0.0.1:1", "secret")
    await store.open()
    return store


async def found_in(store: DiskStore) -> dict[str, bytes]:
    keys = [info.key async for page in store.list("") for info in page]
    return {key: b"".join([chunk async for chunk in store.read(key)]) for key in keys}


async def test_objects_of_the_version_before_are_found_as_they_were(tmp_path: Path) -> None:
    old_directory(tmp_path)
    store = await opened(tmp_path)
    assert await found_in(store) == dict(sorted(CONTENTS.items()))
    for number, (key, content) in enumerate(CONTENTS.items()):
        expected = ObjectInfo(key, len(content), f"etag-{number}-1", AT, "image/png", {"number": str(number)})
        assert await store.stat(key) == expected
    assert [found.multipart_id async for page in store.list_multiparts("") for found in page] == [MULTIPART_ID]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["blobs", "multipart", "tmp", "tree"]
    assert not list((tmp_path / "tmp").iterdir())

    staged = await store.stat("staging/3/token")
    assert staged is not None
    await store.promote(staged, "files/3/original.png")
    await store.close()
    again = await opened(tmp_path)
    assert await delete_prefix(again, "") == len(CONTENTS)
    assert not list((tmp_path / "blobs").iterdir())
    await again.close()


@pytest.mark.parametrize("steps", range(0, 26, 2))
async def test_a_migration_that_was_killed_goes_on_at_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    """Each renaming, linking and removing is a step; the process dies before step `steps`."""
    old_directory(tmp_path)
    with monkeypatch.context() as patched, pytest.raises(CrashError):
        patched.setattr(disk_migration, "BATCH", 2)
        crash_before_step(patched, steps, [(os, name) for name in ("rename", "link", "unlink")])
        await opened(tmp_path)
    store = await opened(tmp_path)
    assert await found_in(store) == dict(sorted(CONTENTS.items()))
    assert len(list((tmp_path / "blobs").iterdir())) == len(CONTENTS)
    assert not (tmp_path / "objects").exists()
    await store.close()
