"""The disk store's own promises about multipart uploads: what a crash leaves, what is on the disk, the level of the socket."""

import asyncio
import errno
import os
import shutil
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import google_crc32c
import pytest
import pytest_asyncio

from libs.object_store.disk_files import DiskFiles
from libs.object_store.disk_multipart import DiskMultipart
from libs.object_store.port import MIN_PART_BYTES, MultipartNotFoundError, OpenMultipart, Part
from tests.integration.libs.object_store import disk_server
from tests.integration.libs.object_store.disk_server import Disk, request_head

KEY = "staging/1/token"
MIB = 1024 * 1024
SMALL, LARGE = 1000, 3 * MIB


@pytest_asyncio.fixture
async def disk(tmp_path: Path) -> AsyncIterator[Disk]:
    async with disk_server.running(tmp_path / "store") as disk:
        yield disk


def opened(root: Path) -> tuple[DiskFiles, DiskMultipart]:
    """As after a start of the process."""
    files = DiskFiles(root)
    multipart = DiskMultipart(root, files)
    files.sweep()
    multipart.sweep()
    return files, multipart


def add(files: DiskFiles, multipart: DiskMultipart, multipart_id: str, number: int, content: bytes) -> Part:
    incoming = files.create()
    incoming.write(content)
    return multipart.commit(incoming, KEY, multipart_id, number)


def content_of(files: DiskFiles) -> bytes:
    with files.open(KEY)[1] as file:
        return file.read()


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


class CrashError(BaseException):
    """Stands for the end of the process: nothing after it is done."""


@pytest.mark.parametrize("steps", range(18))
def test_a_crash_at_any_step_loses_nothing_that_was_acknowledged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    """Each renaming and removing is a step; the process dies before step `steps` and is started again."""
    files, multipart = opened(tmp_path)
    left = steps

    def dying(original: Callable[..., Any]) -> Callable[..., Any]:
        def step(*args: Any, **kwargs: Any) -> Any:
            nonlocal left
            if left == 0:
                raise CrashError
            left -= 1
            return original(*args, **kwargs)

        return step

    multipart_id, acknowledged, completed = "", dict[int, Part](), False
    with monkeypatch.context() as patched:
        for owner, name in ((Path, "rename"), (Path, "unlink"), (shutil, "rmtree")):
            patched.setattr(owner, name, dying(getattr(owner, name)))
        try:
            multipart_id = multipart.start(KEY, "text/plain", {})
            for number, content in ((2, b"end"), (1, b"replaced"), (1, b"start")):
                acknowledged[number] = add(files, multipart, multipart_id, number, content)
            multipart.complete(KEY, multipart_id, [acknowledged[1], acknowledged[2]])
            completed = True
        except CrashError:
            pass

    files, multipart = opened(tmp_path)
    assert not list((tmp_path / "tmp").iterdir())
    found = files.meta(KEY)
    if found is None:
        assert not completed
        if multipart_id:
            parts = {part.number: part for part in multipart.parts(KEY, multipart_id)}
            assert parts.keys() >= acknowledged.keys()
            assert parts.get(2) == acknowledged.get(2)
            assert len(names(tmp_path / "multipart")) == 1 + len(parts)
            multipart.abort(KEY, multipart_id)
    else:
        assert content_of(files) == b"startend"
        again = multipart.complete(KEY, multipart_id, [acknowledged[1], acknowledged[2]])
        assert again.etag == found.etag
    assert not list((tmp_path / "multipart").iterdir())


def test_a_crash_during_an_abort_leaves_an_upload_that_is_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files, multipart = opened(tmp_path)
    multipart_id = multipart.start(KEY, "text/plain", {})
    add(files, multipart, multipart_id, 1, b"bytes")

    def crash(*_: object) -> None:
        raise CrashError

    with monkeypatch.context() as patched, pytest.raises(CrashError):
        patched.setattr(shutil, "rmtree", crash)
        multipart.abort(KEY, multipart_id)
    _files, multipart = opened(tmp_path)
    with pytest.raises(MultipartNotFoundError):
        multipart.parts(KEY, multipart_id)
    assert not list((tmp_path / "multipart").iterdir())


def test_a_torn_start_is_removed_and_open_uploads_are_kept(tmp_path: Path) -> None:
    files, multipart = opened(tmp_path)
    multipart_id = multipart.start(KEY, "text/plain", {"id": "7"})
    part = add(files, multipart, multipart_id, 1, b"bytes")
    torn = tmp_path / "multipart" / ("0" * 32)
    torn.mkdir()
    (torn / ".upload.json").write_bytes(b'{"ke')
    files, multipart = opened(tmp_path)
    assert [found.multipart_id for found in multipart.uploads("")] == [multipart_id]
    assert multipart.parts(KEY, multipart_id) == [part]
    assert not torn.exists()
    assert multipart.complete(KEY, multipart_id, [part]).metadata == {"id": "7"}


@pytest.mark.parametrize("in_kernel", [True, False])
def test_the_whole_has_the_bytes_and_the_checksum_of_its_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_kernel: bool
) -> None:
    def refuse(*_: object) -> int:
        raise OSError(errno.EXDEV, "not here")

    if not in_kernel:
        monkeypatch.setattr(os, "copy_file_range", refuse)
    files, multipart = opened(tmp_path)
    multipart_id = multipart.start(KEY, "text/plain", {})
    bodies = [os.urandom(size) for size in (MIN_PART_BYTES, 6 * MIB + 1, 0, 17)]
    parts = [add(files, multipart, multipart_id, number, body) for number, body in enumerate(bodies, 1)]
    multipart.complete(KEY, multipart_id, parts)
    assert content_of(files) == b"".join(bodies)
    meta = files.meta(KEY)
    assert meta is not None
    assert meta.crc32c == f"{google_crc32c.value(b''.join(bodies)):08x}"
    assert names(tmp_path) == sorted([f"objects/{KEY}/.meta.json", f"objects/{KEY}/{meta.data}"])


def test_a_full_disk_fails_the_completion_and_keeps_the_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "no space left on device")

    files, multipart = opened(tmp_path)
    multipart_id = multipart.start(KEY, "text/plain", {})
    part = add(files, multipart, multipart_id, 1, b"bytes")
    with monkeypatch.context() as patched, pytest.raises(OSError, match="no space"):
        patched.setattr(os, "copy_file_range", full)
        multipart.complete(KEY, multipart_id, [part])
    assert not list((tmp_path / "tmp").iterdir())
    multipart.complete(KEY, multipart_id, [part])
    assert content_of(files) == b"bytes"


# Through the URLs


def head(disk: Disk, multipart_id: str, number: int, length: int, *more: str) -> bytes:
    url = disk.store.presign_part(KEY, multipart_id, number, expires_in=timedelta(minutes=5))
    return request_head(url, f"Content-Length: {length}", *more)


async def connect(disk: Disk) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection(*disk.runner.addresses[0][:2])


async def answer(reader: asyncio.StreamReader) -> tuple[int, str]:
    """Status and head."""
    text = (await reader.readuntil(b"\r\n\r\n")).decode()
    return int(text.split()[1]), text


async def eventually(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.01)


async def open_multiparts(disk: Disk) -> list[OpenMultipart]:
    return [found async for page in disk.store.list_multiparts("") for found in page]


@pytest.mark.parametrize("size", [0, SMALL, LARGE])
async def test_only_the_whole_is_announced(disk: Disk, size: int) -> None:
    multipart_id = await disk.store.start_multipart(KEY, content_type="video/mp4")
    body = os.urandom(size)
    reader, writer = await connect(disk)
    writer.write(head(disk, multipart_id, 1, size) + body)
    status, text = await answer(reader)
    writer.close()
    [part] = await disk.store.list_parts(KEY, multipart_id)
    assert (status, part.size_bytes, f'"{part.etag}"' in text) == (200, size, True)
    assert "Content-Length: 0" in text
    assert not disk.notices
    await disk.store.complete_multipart(KEY, multipart_id, [part])
    await eventually(lambda: disk.notices)
    [record] = disk.notices[0]["Records"]
    assert (record["s3"]["object"]["key"], record["s3"]["object"]["size"]) == (KEY, size)
    assert b"".join([chunk async for chunk in disk.store.read(KEY)]) == body


async def test_a_client_that_asks_first_hears_that_the_upload_is_over(disk: Disk) -> None:
    reader, writer = await connect(disk)
    writer.write(head(disk, "0" * 32, 1, LARGE, "Expect: 100-continue"))
    assert (await answer(reader))[0] == 404
    writer.close()


@pytest.mark.parametrize("size", [SMALL, LARGE])
async def test_a_part_on_its_way_when_the_upload_is_aborted_leaves_nothing(disk: Disk, size: int) -> None:
    multipart_id = await disk.store.start_multipart(KEY, content_type="video/mp4")
    reader, writer = await connect(disk)
    writer.write(head(disk, multipart_id, 1, size) + bytes(size - 1))
    await eventually(lambda: any(path.suffix == ".data" for path in disk.files()))
    await disk.store.abort_multipart(KEY, multipart_id)
    writer.write(b"!")
    assert (await answer(reader))[0] == 404
    writer.close()
    assert not disk.files()


@pytest.mark.parametrize("size", [SMALL, LARGE])
async def test_a_part_that_is_cut_off_leaves_nothing(disk: Disk, size: int) -> None:
    multipart_id = await disk.store.start_multipart(KEY, content_type="video/mp4")
    _reader, writer = await connect(disk)
    writer.write(head(disk, multipart_id, 1, size) + bytes(size - 1))
    await eventually(lambda: any(path.suffix == ".data" for path in disk.files()))
    writer.close()
    await eventually(lambda: len(disk.files()) == 1)
    assert await disk.store.list_parts(KEY, multipart_id) == []


async def test_many_completions_at_once_write_the_whole_once(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    multipart_id = await disk.store.start_multipart(KEY, content_type="video/mp4")
    part = await disk.store.run(add, disk.store.files, disk.store.multipart, multipart_id, 1, bytes(LARGE))
    copies = []
    copy = os.copy_file_range

    def counted(source: int, target: int, count: int) -> int:
        copies.append(count)
        return copy(source, target, count)

    monkeypatch.setattr(os, "copy_file_range", counted)
    infos = await asyncio.gather(*[disk.store.complete_multipart(KEY, multipart_id, [part]) for _ in range(6)])
    assert len({info.etag for info in infos}) == 1
    assert copies == [LARGE]


async def test_parts_survive_a_killed_server_and_the_upload_goes_on(tmp_path: Path) -> None:
    root = tmp_path / "store"

    async def put(server: disk_server.Process, number: int, body: bytes) -> None:
        url = server.store.presign_part(KEY, multipart_id, number, expires_in=timedelta(minutes=5))
        reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(url).port)
        writer.write(request_head(url, f"Content-Length: {len(body)}") + body)
        assert (await answer(reader))[0] == 200
        writer.close()

    first, second = os.urandom(MIN_PART_BYTES), os.urandom(SMALL)
    with disk_server.process(root) as server:
        multipart_id = await server.store.start_multipart(KEY, content_type="video/mp4")
        await put(server, 1, first)
        url = server.store.presign_part(KEY, multipart_id, 2, expires_in=timedelta(minutes=5))
        _reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(request_head(url, f"Content-Length: {LARGE}") + bytes(LARGE - 1))
        await writer.drain()
        await eventually(lambda: any((root / "tmp").iterdir()))
        server.kill()
        writer.close()
    with disk_server.process(root) as server:
        await put(server, 2, second)
    async with disk_server.running(root) as disk:
        assert [found.multipart_id for found in await open_multiparts(disk)] == [multipart_id]
        parts = await disk.store.list_parts(KEY, multipart_id)
        await disk.store.complete_multipart(KEY, multipart_id, parts)
        assert b"".join([chunk async for chunk in disk.store.read(KEY)]) == first + second
        assert not list((root / "tmp").iterdir())
        assert not list((root / "multipart").iterdir())


def peak_bytes() -> int:
    return int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) * 1024


def test_memory_stays_flat_however_long_the_whole(tmp_path: Path) -> None:
    files, multipart = opened(tmp_path)
    chunk = os.urandom(MIB)
    multipart_id = multipart.start(KEY, "video/mp4", {})
    parts = []
    for number in range(1, 9):
        incoming = files.create()
        for _ in range(32):
            incoming.write(chunk)
        parts.append(multipart.commit(incoming, KEY, multipart_id, number))
    before = peak_bytes()
    multipart.complete(KEY, multipart_id, parts)
    assert peak_bytes() - before < 16 * MIB
