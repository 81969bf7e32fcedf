"""The disk store's own promises: what a crash leaves, keys that nest, links, a key's characters."""

import asyncio
import errno
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from libs.object_store.disk import DiskStore
from libs.object_store.disk_files import META, DiskFiles, InvalidKeyError
from libs.object_store.port import StoreUnavailableError, delete_prefix

TYPE = "text/plain"


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


@pytest.mark.parametrize("key", ["", "/a", "a/", "a//b", ".a", "a/.b", "a/../b", "a b", "a\0", "ü", "a/\n", "a" * 1025])
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
    for content in (b"one", b"two", b"three"):
        await put(store, "a/b/c", content)
    assert len([name for name in files_below(tmp_path) if ".data-" in name]) == 1
    assert await delete_prefix(store, "a/") == 1
    assert sorted(path.name for path in (tmp_path / "store").rglob("*")) == ["multipart", "objects", "tmp"]


async def test_a_reader_of_a_replaced_object_reads_it_to_the_end(store: DiskStore) -> None:
    old = os.urandom(3 * 1024 * 1024)
    await put(store, "a", old)
    reading = store.read("a")
    read = await anext(aiter(reading))
    await put(store, "a", b"new")
    await store.delete(["a"])
    assert read + b"".join([chunk async for chunk in reading]) == old


async def test_copies_and_downloads_share_the_bytes_on_the_disk(store: DiskStore, tmp_path: Path) -> None:
    etag = await put(store, "staging/1", b"content")
    await store.copy("staging/1", "files/1", match_etag=etag)
    await store.download("files/1", tmp_path / "local")
    assert (tmp_path / "local").stat().st_nlink == 3
    await delete_prefix(store, "")
    assert (tmp_path / "local").read_bytes() == b"content"


async def test_a_file_system_without_links_copies(store: DiskStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(os, "link", refuse)
    etag = await put(store, "staging/1", b"content")
    await store.copy("staging/1", "files/1", match_etag=etag)
    await store.download("files/1", tmp_path / "local")
    assert await content_of(store, "files/1") == (tmp_path / "local").read_bytes() == b"content"
    assert (tmp_path / "local").stat().st_nlink == 1


class CrashError(BaseException):
    """Stands for the end of the process: nothing after it is done."""


@pytest.mark.parametrize("steps", range(12))
async def test_a_crash_at_any_step_leaves_the_old_object_or_the_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    """Each renaming and removing of a replacement is a step; the process dies before step `steps` and is started again."""
    files = DiskFiles(tmp_path)
    files.sweep()
    for name in ("kept", "a/b"):
        with files.create() as incoming:
            incoming.write(b"old")
            files.commit(incoming, name, TYPE, {})
    left = steps

    def dying(original: Callable[..., Any]) -> Callable[..., Any]:
        def step(*args: Any, **kwargs: Any) -> Any:
            nonlocal left
            if left == 0:
                raise CrashError
            left -= 1
            return original(*args, **kwargs)

        return step

    with monkeypatch.context() as patched:
        patched.setattr(Path, "rename", dying(Path.rename))
        patched.setattr(Path, "unlink", dying(Path.unlink))
        try:
            incoming = files.create()
            incoming.write(b"newer")
            files.commit(incoming, "a/b", TYPE, {})
            files.delete("a/b")
        except CrashError:
            pass
    again = DiskFiles(tmp_path)
    again.sweep()
    assert not list((tmp_path / "tmp").iterdir())
    found = again.meta("a/b")
    if found is None:
        assert not (tmp_path / "objects" / "a").exists()
    else:
        with again.open("a/b")[1] as file:
            assert file.read() == {3: b"old", 5: b"newer"}[found.size_bytes]
        assert files_below(tmp_path / "objects" / "a/b") == {META, found.data}


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
