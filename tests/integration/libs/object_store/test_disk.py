"""The disk store's own promises: what a crash leaves, durable writes, keys that nest, links, a key's characters."""

import asyncio
import errno
import os
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from libs.object_store import disk_tree
from libs.object_store.disk import DiskStore
from libs.object_store.disk_change import Delete, Promote, storing
from libs.object_store.disk_files import DiskFiles
from libs.object_store.disk_tree import InvalidKeyError
from libs.object_store.incoming import HELD_BYTES
from libs.object_store.port import ObjectChangedError, ObjectInfo, StoreUnavailableError, delete_prefix
from tests.integration.libs.object_store.crash import CrashError, crash_before_step
from tests.integration.libs.object_store.durable_writes import DurableWrites

TYPE = "text/plain"
LARGE = HELD_BYTES + 1
"""Its content lies in a file of its own."""


@pytest_asyncio.fixture
async def store(tmp_path: Path) -> AsyncIterator[DiskStore]:
    store = DiskStore(tmp_path / "store", "http://127.0.0.1:1", "secret")
    await store.open()
    yield store
    await store.close()


async def put(store: DiskStore, key: str, content: bytes) -> str:
    async def stream() -> AsyncIterator[bytes]:
        yield content

    return (await store.write(key, stream(), content_type=TYPE)).etag


async def content_of(store: DiskStore, key: str) -> bytes:
    return b"".join([chunk async for chunk in store.read(key)])


def files_below(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    "key", ["", "/a", "a/", "a//b", ".a", "a/.b", "a/../b", "a b", "a\0", "ü", "a/\n", "a" * 128, "a/" * 512 + "a"]
)
async def test_a_key_of_other_characters_is_refused(store: DiskStore, key: str) -> None:
    with pytest.raises(InvalidKeyError):
        await store.stat(key)
    with pytest.raises(InvalidKeyError):
        await put(store, key, b"")


async def test_a_key_may_lie_below_another(store: DiskStore) -> None:
    for key in ("a/b", "a", "a/b/c"):
        await put(store, key, key.encode())
    assert [found.key async for page in store.list("") for found in page] == ["a", "a/b", "a/b/c"]
    await store.delete(["a/b"])
    assert await content_of(store, "a/b/c") == b"a/b/c"
    assert await content_of(store, "a") == b"a"


async def test_no_bytes_and_no_folders_are_left_of_what_was_replaced_or_deleted(store: DiskStore, tmp_path: Path) -> None:
    for content in (b"one", bytes(LARGE), bytes(LARGE + 1), b"two"):
        await put(store, "a/b/c/d/e", content)
        assert len(files_below(tmp_path)) == (1 if len(content) < LARGE else 2)
    await put(store, "a/b/c/d/f", bytes(LARGE))
    assert await delete_prefix(store, "a/") == 2
    assert sorted(path.name for path in (tmp_path / "store").rglob("*")) == ["a", "blobs", "multipart", "tmp", "tree"]


async def test_a_reader_of_a_replaced_object_reads_it_to_the_end(store: DiskStore) -> None:
    old = os.urandom(3 * 1024 * 1024)
    await put(store, "a", old)
    reading = store.read("a")
    read = await anext(aiter(reading))
    await put(store, "a", b"new")
    await store.delete(["a"])
    assert read + b"".join([chunk async for chunk in reading]) == old


async def test_copies_and_downloads_share_the_bytes_on_the_disk(store: DiskStore, tmp_path: Path) -> None:
    etag = await put(store, "staging/1", bytes(LARGE))
    await store.copy("staging/1", "files/1", match_etag=etag)
    await store.download("files/1", tmp_path / "local")
    assert (tmp_path / "local").stat().st_nlink == 3
    await delete_prefix(store, "")
    assert (tmp_path / "local").read_bytes() == bytes(LARGE)


@pytest.mark.parametrize("size", [0, HELD_BYTES, LARGE])
async def test_what_was_downloaded_is_the_object_and_not_its_file(store: DiskStore, tmp_path: Path, size: int) -> None:
    content = os.urandom(size)
    await put(store, "files/1", content)
    for _ in range(2):
        await store.download("files/1", tmp_path / "local")
        assert (tmp_path / "local").read_bytes() == content


async def test_a_file_system_without_links_copies(store: DiskStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(os, "link", refuse)
    content = os.urandom(LARGE)
    etag = await put(store, "staging/1", content)
    await store.copy("staging/1", "files/1", match_etag=etag)
    await store.download("files/1", tmp_path / "local")
    assert await content_of(store, "files/1") == (tmp_path / "local").read_bytes() == content
    assert (tmp_path / "local").stat().st_nlink == 1


@pytest.mark.parametrize("size", [3, LARGE])
async def test_a_replacement_that_fails_leaves_the_old_object(
    store: DiskStore, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    await put(store, "a/b", bytes(LARGE))

    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "no space left on device")

    with monkeypatch.context() as patched, pytest.raises(OSError, match="no space"):
        patched.setattr(store.files.tree, "put", fail)
        await put(store, "a/b", bytes(size))
    assert await content_of(store, "a/b") == bytes(LARGE)
    assert len(blobs_of(store.files)) == 1
    await store.delete(["a/b"])
    assert blobs_of(store.files) == set()


def small(letter: bytes) -> bytes:
    return letter * 3


def large(letter: bytes) -> bytes:
    return letter * LARGE


def put_now(files: DiskFiles, key: str, content: bytes) -> ObjectInfo:
    with files.create() as incoming:
        incoming.write(content)
        return files.writer.submit(storing(files, incoming, key, TYPE)).result()


def read_now(files: DiskFiles, key: str) -> bytes | None:
    record = files.record(key)
    if record is None:
        return None
    with files.open(key)[1] as file:
        return file.read(record.size_bytes)


def blobs_of(files: DiskFiles) -> set[str]:
    return {path.name for path in files.blobs.iterdir()}


def crashing(patched: pytest.MonkeyPatch, steps: int) -> None:
    """Each renaming, linking and removing is a step; the process dies before step `steps`."""
    crash_before_step(patched, steps, [(os, name) for name in ("rename", "unlink", "link", "rmdir")])


@pytest.mark.parametrize("make", [small, large])
@pytest.mark.parametrize("steps", range(12))
async def test_a_crash_at_any_step_leaves_the_old_object_or_the_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps: int, make: Callable[[bytes], bytes]
) -> None:
    """The process dies somewhere in a replacement and a removal, and is started again."""
    files = DiskFiles(tmp_path)
    files.sweep()
    for name in ("kept", "a/b/c/d"):
        put_now(files, name, make(b"o"))
    deleted = False
    with monkeypatch.context() as patched:
        crashing(patched, steps)
        try:
            put_now(files, "a/b/c/d", make(b"n"))
            files.writer.submit(Delete(files, ["a/b/c/d"])).result()
            deleted = True
        except CrashError:
            pass
    again = DiskFiles(tmp_path)
    again.sweep()
    assert not list((tmp_path / "tmp").iterdir())
    found = read_now(again, "a/b/c/d")
    assert found in {make(b"o"), make(b"n"), None}
    assert not deleted or found is None
    records = [again.record(key) for key in ("kept", "a/b/c/d")]
    assert blobs_of(again) == {record.blob for record in records if record and record.blob}
    assert read_now(again, "kept") == make(b"o")


@pytest.mark.parametrize("content_type", [TYPE, "image/png"])
@pytest.mark.parametrize("make", [small, large])
@pytest.mark.parametrize("steps", range(8))
async def test_a_crash_at_any_step_of_a_promotion_leaves_it_staged_or_promoted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps: int, make: Callable[[bytes], bytes], content_type: str
) -> None:
    """What an earlier attempt has promoted is replaced; the promotion is asked for again after the crash."""
    files = DiskFiles(tmp_path)
    files.sweep()
    put_now(files, "files/1/original.png", make(b"o"))
    staged = put_now(files, "staging/1/token", make(b"n"))
    with monkeypatch.context() as patched:
        crashing(patched, steps)
        with suppress(CrashError):
            files.writer.submit(Promote(files, staged.key, "files/1/original.png", staged.etag, content_type)).result()
    again = DiskFiles(tmp_path)
    again.sweep()
    found = [read_now(again, key) for key in ("staging/1/token", "files/1/original.png")]
    assert found in ([make(b"n"), make(b"o")], [None, make(b"n")])

    for _ in range(2):
        promoted = again.writer.submit(Promote(again, staged.key, "files/1/original.png", staged.etag, content_type)).result()
        assert (promoted.etag, promoted.content_type) == (staged.etag, content_type)
    assert read_now(again, "staging/1/token") is None
    assert read_now(again, "files/1/original.png") == make(b"n")
    assert len(blobs_of(again)) == (make is large)
    again.writer.submit(Delete(again, ["files/1/original.png"])).result()
    assert files_below(tmp_path) == set()


@pytest.mark.parametrize("size", [0, 20_000, HELD_BYTES])
async def test_a_small_upload_costs_three_durable_writes(store: DiskStore, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    for key in ("staging/0/a", "files/0/a"):  # the first object below a folder makes it
        await put(store, key, b"")
    content = os.urandom(size)
    disk = DurableWrites(monkeypatch)
    etag = await put(store, "staging/1/token", content)
    staged = await store.stat("staging/1/token")
    assert staged is not None and staged.etag == etag
    assert disk.count == 2
    await store.promote(staged, "files/1/original.txt", content_type=TYPE)
    assert await content_of(store, "files/1/original.txt") == content
    assert disk.count == 3


async def test_a_large_upload_costs_five_durable_writes(store: DiskStore, monkeypatch: pytest.MonkeyPatch) -> None:
    for key in ("staging/0/a", "files/0/a"):
        await put(store, key, b"")
    disk = DurableWrites(monkeypatch)
    await put(store, "staging/1/token", bytes(LARGE))
    staged = await store.stat("staging/1/token")
    assert staged is not None
    await store.promote(staged, "files/1/original.txt")
    assert disk.count == 5  # the content, the record and both folders; the promotion


async def test_many_changes_at_once_share_the_sync_of_a_folder(store: DiskStore, monkeypatch: pytest.MonkeyPatch) -> None:
    await put(store, "files/0/a", b"")
    etags = await asyncio.gather(*[put(store, f"staging/{number}/a", b"content") for number in range(50)])
    found = [await store.stat(f"staging/{number}/a") for number in range(50)]
    disk = DurableWrites(monkeypatch)
    promoted = await asyncio.gather(*[store.promote(info, f"files/{n}/a") for n, info in enumerate(found) if info])
    assert [info.etag for info in promoted] == etags
    assert disk.count <= 2  # the first may be under way before the others ask
    await store.delete([info.key for info in promoted])
    assert disk.count <= 3


async def test_one_change_that_fails_harms_none_that_is_made_with_it(store: DiskStore) -> None:
    etags = await asyncio.gather(*[put(store, f"staging/{number}/a", b"content") for number in range(10)])
    found = [await store.stat(f"staging/{number}/a") for number in range(10)]
    wrong = [replace(info, etag="other") if number % 2 else info for number, info in enumerate(found) if info]
    promoted = await asyncio.gather(
        *[store.promote(info, f"files/{number}/a") for number, info in enumerate(wrong)], return_exceptions=True
    )
    assert [isinstance(outcome, ObjectChangedError) for outcome in promoted] == [False, True] * 5
    assert [found.key async for page in store.list("staging/") for found in page] == [f"staging/{n}/a" for n in range(1, 10, 2)]
    assert len(etags) == 10


async def test_a_group_is_found_without_searching_a_large_folder(store: DiskStore, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(20):
        await put(store, f"files/{number:03}/original.{'png' if number % 2 else 'jpg'}", b"content")
    await put(store, "files/007/renditions/poster.jpg", b"content")
    again = DiskFiles(store.files.root)
    searched = []
    listdir = os.listdir

    def watched(folder: str) -> list[str]:
        searched.append(Path(folder).name)
        return listdir(folder)

    monkeypatch.setattr(os, "listdir", watched)
    for _ in range(2):
        keys = [[info.key for info in again.walk(f"files/{group}/", "")] for group in ("007", "008", "100")]
        assert keys == [["files/007/original.png", "files/007/renditions/poster.jpg"], ["files/008/original.jpg"], []]
    assert searched.count("files") == 1


async def test_groups_of_many_ends_are_found_nevertheless(store: DiskStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk_tree, "_MAX_LASTS", 3)
    for number in range(10):
        await put(store, f"staging/{number}/token-{number}", b"content")
    for number in range(10):
        assert [found.key async for page in store.list(f"staging/{number}/") for found in page] == [
            f"staging/{number}/token-{number}"
        ]
    assert await delete_prefix(store, "staging/3/") == 1


async def test_writers_and_deleters_of_neighbours_do_not_disturb_each_other(store: DiskStore) -> None:
    async def churn(key: str) -> None:
        for _ in range(30):
            await put(store, key, key.encode())
            assert await content_of(store, key) == key.encode()
            await store.delete([key])

    await asyncio.gather(*[churn(key) for key in ("a/b/c", "a/b/d", "a/b", "a/e/f/g", "a")])
    assert [page async for page in store.list("")] == []


async def test_a_folder_that_cannot_be_written_is_reported(store: DiskStore, tmp_path: Path) -> None:
    await store.check()
    (tmp_path / "store" / "tmp").rmdir()
    with pytest.raises(StoreUnavailableError):
        await store.check()


async def test_a_cancelled_write_leaves_nothing(store: DiskStore, tmp_path: Path) -> None:
    started = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield bytes(1024 * 1024)
            started.set()

    writing = asyncio.create_task(store.write("a", endless(), content_type=TYPE))
    await started.wait()
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    assert files_below(tmp_path) == set()
