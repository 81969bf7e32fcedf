"""What every connector does, run against a destination of each kind. T-23, T-24."""

import asyncio
import errno
import hashlib
import tracemalloc
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, suppress
from dataclasses import replace
from pathlib import Path
from threading import Event

import pytest
import pytest_asyncio

from contracts.events import JsonObject
from libs.object_store.disk import DiskStore
from libs.object_store.port import StoreUnavailableError
from services.delivery.publishing.connectors import directory
from services.delivery.publishing.connectors.directory import Directories
from services.delivery.publishing.connectors.port import Entry, File, FileGoneError
from services.delivery.publishing.domain.error import PublishError
from services.delivery.publishing.domain.name import safe_name
from tests.contract.connectors.given import MIB, TENANT, TYPE, Notes, an_entry, stored
from tests.contract.connectors.places import (
    PART_BYTES,
    PLACES,
    DirectoryPlace,
    Place,
    S3Place,
    WebhookPlace,
    YouTubePlace,
    guarded,
)
from tests.servers.destination import Fault, cuts, fails, forgets_to_answer, passes, stalls

BODY = bytes(range(256)) * 4000
LARGE = b"".join(bytes([number]) * MIB for number in range(17))


@pytest_asyncio.fixture(params=PLACES)
async def place(request: pytest.FixtureRequest, tmp_path: Path, s3_server: str) -> AsyncIterator[Place]:
    async with PLACES[request.param](tmp_path, s3_server) as opened:
        yield opened


@pytest_asyncio.fixture(params=[name for name in PLACES if name != "directory"])
async def remote(request: pytest.FixtureRequest, tmp_path: Path, s3_server: str) -> AsyncIterator[Place]:
    """Those that have an address."""
    async with PLACES[request.param](tmp_path, s3_server) as opened:
        yield opened


def expected(place: Place, body: bytes) -> list[tuple[int, str]]:
    return [(len(body), "" if isinstance(place, WebhookPlace) else hashlib.sha256(body).hexdigest())]


async def failure(place: Place, entry: Entry, file: File, notes: Notes) -> PublishError:
    with pytest.raises(PublishError) as caught:
        await place.connector().publish(entry, file, notes)
    return caught.value


@pytest.mark.parametrize("body", [BODY, b"x", LARGE], ids=["1M", "1B", "17M"])
async def test_what_is_published_is_there_whole_and_has_a_name(place: Place, store: DiskStore, body: bytes) -> None:
    entry, file = an_entry(), await stored(store, body)
    published = await place.connector().publish(entry, file, Notes())
    assert await place.published() == expected(place, body)
    assert await place.leftovers() == 0
    names = {
        "directory": f"acme/inbox/{entry.publication_id}-summer holiday.mp4",
        "http": f"file-{entry.publication_id}",
        "s3": f"media/{entry.publication_id}/summer holiday.mp4",
        "webhook": None,
        "youtube": "vid-0000001",
    }
    assert published.external_id == names[place.kind]


@pytest.mark.parametrize("body", [BODY, LARGE], ids=["1M", "17M"])
async def test_what_is_published_again_after_an_unknown_outcome_is_there_once(
    place: Place, store: DiskStore, body: bytes
) -> None:
    # Given an attempt that did everything and could not hear or say so
    entry, file, notes = an_entry(), await stored(store, body), Notes()
    if place.destination is None:
        await place.connector().publish(entry, file, notes)
    else:
        last = {"s3": 1 if body is BODY else 6, "youtube": 1 if body is BODY else 4}.get(place.kind, 0)
        place.destination.next_requests(*[passes] * last, forgets_to_answer)
        error = await failure(place, entry, file, notes)
        assert (error.code, error.may_pass, error.unreached) == ("destination_unreachable", True, True)

    # When it is made again, here or by another worker, which knows nothing of it where the destination tells
    await place.connector().publish(entry, file, notes)
    await place.connector().publish(entry, file, notes if isinstance(place, YouTubePlace) else Notes())

    # Then it is there once
    assert await place.published() == expected(place, body)


@pytest.mark.parametrize(("status", "asked"), [(503, 7), (429, 7), (408, None), (500, None)])
async def test_a_passing_failure_is_one_that_may_pass(
    place: Place, store: DiskStore, monkeypatch: pytest.MonkeyPatch, status: int, asked: int | None
) -> None:
    entry, file, notes = an_entry(), await stored(store, BODY), Notes()
    with monkeypatch.context() as patched:
        if place.destination is None:
            patched.setattr(directory, "_write_at", _disk_is_full)
        else:
            # A HEAD that is refused tells nothing; what counts is the write.
            first: list[Fault] = [passes] if isinstance(place, S3Place) else []
            place.destination.next_requests(*first, fails(status, **({"Retry_After": str(asked)} if asked else {})))
        error = await failure(place, entry, file, notes)
    assert (error.code, error.may_pass, error.unreached) == ("destination_unavailable", True, False)
    if place.destination is not None:
        assert error.retry_after_seconds == asked
    assert await place.published() == []

    await place.connector().publish(entry, file, notes)
    assert await place.published() == expected(place, BODY)


def _disk_is_full(descriptor: int, piece: bytes, offset: int) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


async def test_a_request_that_is_still_worked_on_is_asked_again(store: DiskStore, tmp_path: Path, s3_server: str) -> None:
    """409, draft-ietf-httpapi-idempotency-key-header."""
    async with PLACES["http-put"](tmp_path, s3_server) as place:
        assert place.destination is not None
        entry, file, notes = an_entry(), await stored(store, BODY), Notes()
        place.destination.next_requests(fails(409))
        assert (await failure(place, entry, file, notes)).may_pass

        await place.connector().publish(entry, file, notes)
        assert await place.published() == expected(place, BODY)


async def test_a_mount_that_hangs_costs_an_attempt_its_time_and_no_more(
    store: DiskStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a mount that does not answer
    answers, write_at = Event(), directory._write_at

    def hanging(descriptor: int, piece: bytes, offset: int) -> None:
        answers.wait()
        write_at(descriptor, piece, offset)

    monkeypatch.setattr(directory, "_write_at", hanging)
    monkeypatch.setattr(directory, "MAX_HANGING", 2)
    place = DirectoryPlace(tmp_path / str(TENANT), Directories(tmp_path, seconds=0.05))
    entry, file, notes = an_entry(), await stored(store, BODY), Notes()

    # When it is tried again and again
    try:
        errors = [await failure(place, entry, file, notes) for _ in range(4)]
    finally:
        answers.set()

    # Then each attempt ends, and so many calls hang as are allowed
    assert {(error.code, error.may_pass, error.unreached) for error in errors} == {("destination_timeout", True, True)}

    # And when it answers again the file is published, once
    while True:
        try:
            await place.connector().publish(entry, file, notes)
            break
        except PublishError as error:
            assert error.may_pass
    assert await place.published() == expected(place, BODY)
    assert await place.leftovers() == 0


async def test_a_database_that_is_away_is_not_the_folders_fault(
    store: DiskStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Away(Notes):
        async def save(self, state: JsonObject) -> None:
            raise ConnectionResetError

    monkeypatch.setattr(directory, "DURABLE_BYTES", 1)
    place = DirectoryPlace(tmp_path / str(TENANT), Directories(tmp_path, seconds=20))

    with pytest.raises(ConnectionResetError):
        await place.connector().publish(an_entry(), await stored(store, BODY), Away())


@pytest.mark.parametrize("status", [302, 400, 404, 410, 413, 422])
async def test_a_refusal_is_final(remote: Place, store: DiskStore, status: int) -> None:
    assert remote.destination is not None
    first: list[Fault] = [passes] if isinstance(remote, S3Place) else []
    remote.destination.next_requests(*first, fails(status, Location="http://127.0.0.1:1/elsewhere"))
    error = await failure(remote, an_entry(), await stored(store, BODY), Notes())
    assert (error.code, error.may_pass) == ("destination_rejected", False)
    assert str(status) in str(error)
    assert await remote.published() == []


async def test_wrong_credentials_are_final_and_not_told(place: Place, store: DiskStore) -> None:
    with pytest.raises(PublishError) as caught:
        await place.stranger().publish(an_entry(), await stored(store, BODY), Notes())
    assert (caught.value.code, caught.value.may_pass) == ("destination_unauthorized", False)
    assert "stranger" not in str(caught.value)
    assert "127.0.0.1" not in str(caught.value)
    assert await place.published() == []


async def test_after_a_cut_it_goes_on(place: Place, store: DiskStore, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given an attempt that was cut in the middle of a large file
    monkeypatch.setattr(directory, "DURABLE_BYTES", PART_BYTES)
    entry, file, notes = an_entry(), await stored(store, LARGE), Notes()
    if isinstance(place, DirectoryPlace):
        with pytest.raises(StoreUnavailableError):
            await place.connector().publish(entry, _ending_early(file, 12 * MIB), notes)
    elif place.destination is not None:
        before = {"s3": 4, "youtube": 3}.get(place.kind, 0)  # HEAD, POST, two parts; POST, two chunks
        place.destination.next_requests(*[passes] * before, cuts(0 if isinstance(place, WebhookPlace) else MIB))
        assert (await failure(place, entry, file, notes)).may_pass
    assert await place.published() == []

    # When another one goes on
    asked_from = len(place.destination.requests) if place.destination else 0
    reads: list[int] = []
    published = await place.connector().publish(entry, _watched(file, reads), notes)

    # Then all of it is there, and what had been taken for good was not sent again
    assert await place.published() == expected(place, LARGE)
    assert await place.leftovers() == 0
    assert published.external_id is not None or isinstance(place, WebhookPlace)
    if isinstance(place, DirectoryPlace):
        assert reads == [10 * MIB]
    if isinstance(place, S3Place):
        assert reads == [10 * MIB, 15 * MIB]
        sent = [method for method, _path in place.destination.requests[asked_from:]]
        assert sent == ["HEAD", "PUT", "PUT", "POST"]
    if isinstance(place, YouTubePlace):
        assert reads == [10 * MIB, 15 * MIB]
        sent = [method for method, _path in place.destination.requests[asked_from:]]
        assert sent == ["PUT", "PUT", "PUT", "GET"]


async def test_parts_that_a_bucket_has_not_put_together_are_no_file(store: DiskStore, tmp_path: Path, s3_server: str) -> None:
    """It answers 200 before it begins to, and its connection may break in the meantime."""
    async with PLACES["s3"](tmp_path, s3_server) as place:
        assert place.destination is not None
        entry, file, notes = an_entry(), await stored(store, LARGE), Notes()
        place.destination.next_requests(*[passes] * 6, fails(200, "  "))  # HEAD, POST, four parts
        assert (await failure(place, entry, file, notes)).may_pass
        assert await place.published() == []

        await place.connector().publish(entry, file, notes)
        assert await place.published() == expected(place, LARGE)


async def test_a_huge_file_needs_little_memory(place: Place, store: DiskStore) -> None:
    size = 200 * MIB

    async def zeros() -> AsyncIterator[bytes]:
        for _ in range(200):
            yield bytes(MIB)

    await store.write("files/huge/original.mp4", zeros(), content_type=TYPE)
    file = File(store, "files/huge/original.mp4", size, TYPE)
    tracemalloc.start()
    try:
        await place.connector().publish(an_entry(), file, Notes())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 24 * MIB
    [(published_size, _digest)] = await place.published()
    assert published_size == size


async def test_a_cancelled_attempt_leaves_nothing_visible_and_can_be_made_again(place: Place, store: DiskStore) -> None:
    entry, file, notes = an_entry(), await stored(store, LARGE), Notes()
    reading = asyncio.Event()
    if place.destination is not None:
        place.destination.next_requests(*[passes] * {"s3": 3, "youtube": 2}.get(place.kind, 0), stalls(place.destination))
        begun = place.destination.stalled
    else:
        begun = reading
    task = asyncio.create_task(place.connector().publish(entry, _stalling(file, reading, place), notes))
    async with asyncio.timeout(20):
        await begun.wait()
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    assert task.cancelled()
    assert await place.published() == []

    await place.connector().publish(entry, file, notes)
    assert await place.published() == expected(place, LARGE)


async def test_what_is_given_up_leaves_nothing_behind(place: Place, store: DiskStore) -> None:
    entry, file, notes = an_entry(), await stored(store, LARGE), Notes()
    if isinstance(place, DirectoryPlace):
        with pytest.raises(StoreUnavailableError):
            await place.connector().publish(entry, _ending_early(file, 12 * MIB), notes)
        assert await place.leftovers() == 1
    elif isinstance(place, S3Place):
        place.destination.next_requests(*[passes] * 4, fails(500))
        await failure(place, entry, file, notes)
        assert await place.leftovers() == 1
    await place.connector().give_up(entry, notes.state)
    assert await place.leftovers() == 0
    assert await place.published() == []


async def test_a_file_that_is_gone_is_not_the_destinations_fault(place: Place, store: DiskStore) -> None:
    file = await stored(store, BODY)
    await store.delete([file.key])
    if isinstance(place, WebhookPlace):
        return  # it sends a link: whoever follows it hears that the file is gone
    with pytest.raises(FileGoneError):
        await place.connector().publish(an_entry(), file, Notes())
    assert await place.published() == []


async def test_no_address_inside_is_contacted(remote: Place, store: DiskStore) -> None:
    assert remote.destination is not None
    async with guarded(allow="") as client:
        with pytest.raises(PublishError) as caught:
            await remote.connector(client=client).publish(an_entry(), await stored(store, BODY), Notes())
    assert (caught.value.code, caught.value.may_pass) == ("destination_address_refused", False)
    assert remote.destination.requests == []


@pytest.mark.parametrize("name", ["ä ö/ü.mp4", "../../etc/passwd", 'q"uo\r\nted.mp4', "%2e%2e", "a&b?c#d.mp4", "日本.mp4"])
async def test_any_file_name_arrives_as_one_segment(place: Place, store: DiskStore, name: str) -> None:
    entry = an_entry(safe_name(name))
    await place.connector().publish(entry, await stored(store, BODY), Notes())
    assert await place.published() == expected(place, BODY)


def _ending_early(file: File, size_bytes: int) -> File:
    """As if our store broke off there."""

    class Ending(File):
        async def read(self, start: int = 0, length: int | None = None) -> AsyncGenerator[bytes, None]:
            async with aclosing(file.read(start, size_bytes - start)) as pieces:
                async for piece in pieces:
                    yield piece
            raise StoreUnavailableError("the store broke off")

    return Ending(file.store, file.key, file.size_bytes, file.content_type)


def _watched(file: File, reads: list[int]) -> File:
    class Watched(File):
        async def read(self, start: int = 0, length: int | None = None) -> AsyncGenerator[bytes, None]:
            reads.append(start)
            async with aclosing(file.read(start, length)) as pieces:
                async for piece in pieces:
                    yield piece

    return Watched(file.store, file.key, file.size_bytes, file.content_type)


def _stalling(file: File, reading: asyncio.Event, place: Place) -> File:
    """A folder never stalls in a test: our store does it for it."""
    if place.destination is not None:
        return replace(file)

    class Stalling(File):
        async def read(self, start: int = 0, length: int | None = None) -> AsyncGenerator[bytes, None]:
            async with aclosing(file.read(start, MIB)) as pieces:
                async for piece in pieces:
                    yield piece
            reading.set()
            await asyncio.Event().wait()

    return Stalling(file.store, file.key, file.size_bytes, file.content_type)
