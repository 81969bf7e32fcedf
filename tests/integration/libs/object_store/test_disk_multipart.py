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

from libs.object_store import disk_multipart
from libs.object_store.disk_files import DiskFiles
from libs.object_store.disk_multipart import DiskMultipart
from libs.object_store.port import MIN_PART_BYTES, MultipartNotFoundError, OpenMultipart, Part
from tests.integration.libs.object_store import disk_server
from tests.integration.libs.object_store.crash import CrashError, crash_before_step
from tests.integration.libs.object_store.disk_server import Disk, request_head
from tests.integration.libs.object_store.durable_writes import DurableWrites

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


def add(multipart: DiskMultipart, multipart_id: str, number: int, content: bytes) -> Part:
    incoming = multipart.create(KEY, multipart_id, number, len(content))
    incoming.write(content)
    return multipart.commit(incoming, KEY, multipart_id, number)


def content_of(files: DiskFiles) -> bytes:
    record, file = files.open(KEY)
    with file:
        return file.read(record.size_bytes)


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("placed", [True, False])
@pytest.mark.parametrize("steps", range(18))
def test_a_crash_at_any_step_loses_nothing_that_was_acknowledged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps: int, placed: bool
) -> None:
    """Each renaming, removing and copying is a step; the process dies before step `steps` and is started again.

    `placed`: the parts are taken for large ones and lie in their places, but for one that was replaced.
    """
    if placed:
        monkeypatch.setattr(disk_multipart, "MIN_PART_BYTES", 5)
    files, multipart = opened(tmp_path)
    multipart_id, acknowledged, completed = "", dict[int, Part](), False
    with monkeypatch.context() as patched:
        steps_of = ((os, "rename"), (os, "unlink"), (Path, "touch"), (shutil, "rmtree"), (os, "link"), (os, "ftruncate"))
        crash_before_step(patched, steps, (*steps_of, (os, "copy_file_range")))
        try:
            multipart_id = multipart.start(KEY, "text/plain", {})
            for number, content in ((1, b"wrong"), (2, b"end"), (1, b"start")):
                acknowledged[number] = add(multipart, multipart_id, number, content)
            multipart.complete(KEY, multipart_id, [acknowledged[1], acknowledged[2]])
            completed = True
        except CrashError:
            pass

    files, multipart = opened(tmp_path)
    assert not list((tmp_path / "tmp").iterdir())
    found = files.record(KEY)
    if found is None:
        assert not completed
        if multipart_id:
            parts = {part.number: part for part in multipart.parts(KEY, multipart_id)}
            assert parts.keys() >= acknowledged.keys()
            assert parts.get(2) == acknowledged.get(2, parts.get(2))
            assert len(names(tmp_path / "multipart")) == 1 + len(parts) + len(list(tmp_path.glob("multipart/*/whole-*")))
            if parts.keys() == {1, 2}:
                multipart.complete(KEY, multipart_id, [parts[1], parts[2]])
                assert content_of(files) in {b"startend"} | ({b"wrongend"} if parts[1] == acknowledged[1] else set())
            multipart.abort(KEY, multipart_id)
    else:
        assert content_of(files) == b"startend"
        again = multipart.complete(KEY, multipart_id, [acknowledged[1], acknowledged[2]])
        assert again.etag == found.etag
    assert not list((tmp_path / "multipart").iterdir())


def test_a_crash_during_an_abort_leaves_an_upload_that_is_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _files, multipart = opened(tmp_path)
    multipart_id = multipart.start(KEY, "text/plain", {})
    add(multipart, multipart_id, 1, b"bytes")

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
    _files, multipart = opened(tmp_path)
    multipart_id = multipart.start(KEY, "text/plain", {"id": "7"})
    part = add(multipart, multipart_id, 1, b"bytes")
    torn = tmp_path / "multipart" / ("0" * 32)
    torn.mkdir()
    (torn / "upload.json").write_bytes(b'{"ke')
    _files, multipart = opened(tmp_path)
    assert [found.multipart_id for found in multipart.uploads("")] == [multipart_id]
    assert multipart.parts(KEY, multipart_id) == [part]
    assert not torn.exists()
    assert multipart.complete(KEY, multipart_id, [part]).metadata == {"id": "7"}


def test_a_start_makes_nothing_durable_and_the_first_part_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _files, multipart = opened(tmp_path)
    disk = DurableWrites(monkeypatch)
    multipart_id = multipart.start(KEY, "text/plain", {})
    assert disk.count == 0
    add(multipart, multipart_id, 1, b"bytes")
    assert disk.synced[0].endswith(".data")
    assert disk.synced[1:] == ["upload.json", "multipart", multipart_id]
    add(multipart, multipart_id, 2, b"bytes")
    assert disk.synced[4].endswith(".data")
    assert disk.synced[5:] == [multipart_id]


def test_an_upload_without_parts_that_a_loss_of_power_took_is_not_open(tmp_path: Path) -> None:
    _files, multipart = opened(tmp_path)
    lost, torn = multipart.start(KEY, "text/plain", {}), multipart.start(KEY, "text/plain", {})
    shutil.rmtree(tmp_path / "multipart" / lost)
    os.truncate(tmp_path / "multipart" / torn / "upload.json", 0)
    _files, multipart = opened(tmp_path)
    assert list(multipart.uploads("")) == []
    for multipart_id in (lost, torn):
        with pytest.raises(MultipartNotFoundError):
            multipart.create(KEY, multipart_id, 1, 5)
        with pytest.raises(MultipartNotFoundError):
            multipart.parts(KEY, multipart_id)
        multipart.abort(KEY, multipart_id)
    assert not list((tmp_path / "multipart").iterdir())


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
    parts = [add(multipart, multipart_id, number, body) for number, body in enumerate(bodies, 1)]
    multipart.complete(KEY, multipart_id, parts)
    assert content_of(files) == b"".join(bodies)
    record = files.record(KEY)
    assert record is not None
    assert record.crc32c == f"{google_crc32c.value(b''.join(bodies)):08x}"
    assert names(tmp_path) == [f"blobs/{record.blob}", "tree/staging/1,token"]


# Parts that lie in their places


@pytest.fixture
def copies(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The sizes of all that was copied."""
    found = []
    copy = os.copy_file_range

    def counted(source: int, target: int, count: int) -> int:
        found.append(count)
        return copy(source, target, count)

    monkeypatch.setattr(os, "copy_file_range", counted)
    return found


BODIES = [os.urandom(MIN_PART_BYTES) for _ in range(3)] + [b"the end"]


@pytest.mark.parametrize("order", [(1, 2, 3, 4), (3, 1, 4, 2), (2, 4, 3, 1)])
def test_parts_of_one_size_become_the_object_without_being_copied(tmp_path: Path, copies: list[int], order: list[int]) -> None:
    files, multipart = opened(tmp_path)
    multipart_id = multipart.start(KEY, "text/plain", {})
    parts = {}
    for number in order:
        parts[number] = add(multipart, multipart_id, number, BODIES[number - 1])
        _files, multipart = opened(tmp_path)
    multipart.complete(KEY, multipart_id, [parts[number] for number in sorted(parts)])
    assert content_of(files) == b"".join(BODIES)
    assert copies == []
    record = files.record(KEY)
    assert record is not None and record.blob is not None
    assert Path(files.blob(record.blob)).stat().st_nlink == 1
    assert record.crc32c == f"{google_crc32c.value(b''.join(BODIES)):08x}"


def test_a_small_part_that_came_first_is_put_into_its_place_at_the_end(tmp_path: Path, copies: list[int]) -> None:
    files, multipart = opened(tmp_path)
    multipart_id = multipart.start(KEY, "text/plain", {})
    parts = {number: add(multipart, multipart_id, number, BODIES[number - 1]) for number in (4, 1, 2, 3)}
    multipart.complete(KEY, multipart_id, [parts[number] for number in sorted(parts)])
    assert content_of(files) == b"".join(BODIES)
    assert copies == [len(BODIES[3])]


@pytest.mark.parametrize(
    "bodies",
    [
        [BODIES[0], BODIES[1] + b"!", b"end"],  # larger than the first
        [BODIES[0] + b"!", BODIES[1], b"end"],  # smaller than the first
        [BODIES[0], BODIES[1], BODIES[2] + b"!"],  # the last one is the largest
    ],
)
def test_parts_of_several_sizes_are_copied(tmp_path: Path, bodies: list[bytes]) -> None:
    files, multipart = opened(tmp_path)
    multipart_id = multipart.start(KEY, "text/plain", {})
    parts = [add(multipart, multipart_id, number, body) for number, body in enumerate(bodies, 1)]
    multipart.complete(KEY, multipart_id, parts)
    assert content_of(files) == b"".join(bodies)


def test_a_part_that_is_left_out_is_not_lost_when_the_completion_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.EIO, "broken")

    files, multipart = opened(tmp_path)
    multipart_id = multipart.start(KEY, "text/plain", {})
    parts = [add(multipart, multipart_id, number, body) for number, body in enumerate(BODIES, 1)]
    with monkeypatch.context() as patched, pytest.raises(OSError, match="broken"):
        patched.setattr(files, "link_file", fail)
        multipart.complete(KEY, multipart_id, parts[:2])
    assert multipart.parts(KEY, multipart_id) == parts
    multipart.complete(KEY, multipart_id, parts)
    assert content_of(files) == b"".join(BODIES)


def test_a_part_that_comes_again_never_writes_over_the_first(tmp_path: Path) -> None:
    files, multipart = opened(tmp_path)
    multipart_id = multipart.start(KEY, "text/plain", {})
    parts = [add(multipart, multipart_id, number, body) for number, body in enumerate(BODIES, 1)]
    with multipart.create(KEY, multipart_id, 1, MIN_PART_BYTES) as again:
        again.write(b"cut off")
    assert multipart.parts(KEY, multipart_id) == parts
    parts[1] = add(multipart, multipart_id, 2, BODIES[0])
    multipart.complete(KEY, multipart_id, parts)
    assert content_of(files) == BODIES[0] * 2 + BODIES[2] + BODIES[3]


def test_a_place_is_free_again_after_a_part_was_cut_off(tmp_path: Path, copies: list[int]) -> None:
    files, multipart = opened(tmp_path)
    multipart_id = multipart.start(KEY, "text/plain", {})
    with multipart.create(KEY, multipart_id, 1, MIN_PART_BYTES) as incoming:
        incoming.write(b"cut off")
        incoming.discard()  # and once more at the end
    multipart.complete(KEY, multipart_id, [add(multipart, multipart_id, 1, BODIES[0])])
    assert content_of(files) == BODIES[0]
    assert copies == []


def test_two_of_one_number_at_once_do_not_mix(tmp_path: Path) -> None:
    files, multipart = opened(tmp_path)
    multipart_id = multipart.start(KEY, "text/plain", {})
    first = multipart.create(KEY, multipart_id, 1, MIN_PART_BYTES)
    second = multipart.create(KEY, multipart_id, 1, MIN_PART_BYTES)
    for incoming, body in ((first, BODIES[0]), (second, BODIES[1])):
        incoming.write(body)
    multipart.commit(second, KEY, multipart_id, 1)
    last = multipart.commit(first, KEY, multipart_id, 1)
    assert multipart.parts(KEY, multipart_id) == [last]
    multipart.complete(KEY, multipart_id, [last])
    assert content_of(files) == BODIES[0]


def test_a_part_on_its_way_cannot_write_into_the_finished_object(tmp_path: Path) -> None:
    files, multipart = opened(tmp_path)
    multipart_id = multipart.start(KEY, "text/plain", {})
    parts = [add(multipart, multipart_id, number, body) for number, body in enumerate(BODIES[:2], 1)]
    late = multipart.create(KEY, multipart_id, 3, MIN_PART_BYTES)
    late.write(b"in its place")
    multipart.complete(KEY, multipart_id, parts)
    late.write(b"swapped afterwards")
    with pytest.raises(MultipartNotFoundError):
        multipart.commit(late, KEY, multipart_id, 3)
    assert content_of(files) == BODIES[0] + BODIES[1]
    assert not list((tmp_path / "multipart").iterdir())


def test_a_full_disk_fails_the_completion_and_keeps_the_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "no space left on device")

    files, multipart = opened(tmp_path)
    multipart_id = multipart.start(KEY, "text/plain", {})
    part = add(multipart, multipart_id, 1, b"bytes")
    with monkeypatch.context() as patched, pytest.raises(OSError, match="no space"):
        patched.setattr(os, "copy_file_range", full)
        multipart.complete(KEY, multipart_id, [part])
    assert not list((tmp_path / "tmp").iterdir())
    multipart.complete(KEY, multipart_id, [part])
    assert content_of(files) == b"bytes"


# Through the URLs


def head(disk: Disk, multipart_id: str, number: int, length: int, *more: str) -> bytes:
    url = disk.store.presign_parts(KEY, multipart_id, [number], expires_in=timedelta(minutes=5))[0]
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


@pytest.mark.parametrize("size", [SMALL, LARGE, MIN_PART_BYTES])
async def test_a_part_on_its_way_when_the_upload_is_aborted_leaves_nothing(disk: Disk, size: int) -> None:
    multipart_id = await disk.store.start_multipart(KEY, content_type="video/mp4")
    reader, writer = await connect(disk)
    writer.write(head(disk, multipart_id, 1, size) + bytes(size - 1))
    await eventually(lambda: disk.store._receiving)
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
    await eventually(lambda: disk.store._receiving)
    writer.close()
    await eventually(lambda: not disk.store._receiving)
    assert len(disk.files()) == 1
    assert await disk.store.list_parts(KEY, multipart_id) == []


async def test_many_completions_at_once_write_the_whole_once(disk: Disk, copies: list[int]) -> None:
    multipart_id = await disk.store.start_multipart(KEY, content_type="video/mp4")
    part = await disk.store.run(add, disk.store.multipart, multipart_id, 1, bytes(LARGE))
    infos = await asyncio.gather(*[disk.store.complete_multipart(KEY, multipart_id, [part]) for _ in range(6)])
    assert len({info.etag for info in infos}) == 1
    assert copies == [LARGE]


async def test_parts_survive_a_killed_server_and_the_upload_goes_on(tmp_path: Path) -> None:
    root = tmp_path / "store"

    async def put(server: disk_server.Process, number: int, body: bytes) -> None:
        url = server.store.presign_parts(KEY, multipart_id, [number], expires_in=timedelta(minutes=5))[0]
        reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(url).port)
        writer.write(request_head(url, f"Content-Length: {len(body)}") + body)
        assert (await answer(reader))[0] == 200
        writer.close()

    first, second = os.urandom(MIN_PART_BYTES), os.urandom(SMALL)
    with disk_server.process(root) as server:
        multipart_id = await server.store.start_multipart(KEY, content_type="video/mp4")
        await put(server, 1, first)
        url = server.store.presign_parts(KEY, multipart_id, [2], expires_in=timedelta(minutes=5))[0]
        _reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(request_head(url, f"Content-Length: {LARGE}") + bytes(LARGE - 1))
        await writer.drain()
        await eventually(lambda: any(path.stat().st_size > MIN_PART_BYTES for path in root.glob("multipart/*/whole-*")))
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


@pytest.mark.parametrize("copied", [True, False])
def test_memory_stays_flat_however_long_the_whole(tmp_path: Path, copied: bool) -> None:
    _files, multipart = opened(tmp_path)
    chunk = os.urandom(MIB)
    multipart_id = multipart.start(KEY, "video/mp4", {})
    parts: list[Part] = []
    for number in range(1, 9):
        incoming = multipart.create(KEY, multipart_id, number, None if copied else 32 * MIB)
        for _ in range(32):
            incoming.write(chunk)
        parts.append(multipart.commit(incoming, KEY, multipart_id, number))
    before = peak_bytes()
    multipart.complete(KEY, multipart_id, parts)
    assert peak_bytes() - before < 16 * MIB
