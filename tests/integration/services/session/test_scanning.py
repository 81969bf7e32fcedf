"""Nothing is accepted that the virus scanner did not see: a real clamd, both stores."""

import asyncio
import io
import zipfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from contracts.events import Constraints, UploadCompleted, UploadRejected
from libs.object_store.disk import DiskStore
from libs.object_store.port import ObjectStore
from libs.object_store.s3 import S3Store
from libs.outbox.unit_of_work import Outbox
from services.session.adapters.clamd import Clamd, ClamdError
from services.session.domain.session import State
from services.session.jobs.promotion import MAX_FAILED_SCANS
from tests.integration.services.session.conftest import Sessions, registered_event, stored_event
from tests.integration.services.session.scan import Watched, scanning
from tests.servers import clamd, s3
from tests.servers.clamd import FILE_MAX_BYTES, INFECTED, STREAM_MAX_BYTES, VIRUS, ClamdServer

ANY_SIZE = Constraints(max_size_bytes=1 << 30)
MIB = 1 << 20


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with s3.running(tmp_path_factory.mktemp("s3")) as url:
        yield url


@pytest_asyncio.fixture(params=["disk", "s3"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[ObjectStore]:
    store: ObjectStore
    if request.param == "disk":
        store = DiskStore(tmp_path / "objects", "http://127.0.0.1:1", "secret", threads=4)
    else:
        store = S3Store.from_url(s3.bucket_url(request.getfixturevalue("s3_server")))
    await store.open()
    yield store
    await store.close()


@pytest_asyncio.fixture
async def sessions(open_outbox: Callable[[str], Awaitable[Outbox]], store: ObjectStore) -> Sessions:
    return Sessions(await open_outbox("session"), store)


def zipped(content: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("folder/file.bin", content)
    return file.getvalue()


@pytest.mark.parametrize(
    "content", [b"harmless", b"", bytes(3 * MIB), zipped(b"harmless")], ids=["text", "empty", "large", "zip"]
)
async def test_a_clean_file_is_accepted(sessions: Sessions, scanner: ClamdServer, content: bytes) -> None:
    registered = registered_event(constraints=ANY_SIZE)
    await sessions.hear(registered, stored_event(registered, await sessions.put(registered, content)))

    await sessions.promotion(scanning=scanning(sessions.store, scanner.url)).once()

    (completed,) = await sessions.told(registered)
    assert isinstance(completed, UploadCompleted)
    assert b"".join([chunk async for chunk in sessions.store.read(registered.object_key)]) == content


# U-45, U-E79
@pytest.mark.parametrize(
    "content",
    [INFECTED, bytes(MIB - 20) + INFECTED + bytes(MIB), zipped(bytes(1000) + INFECTED)],
    ids=["alone", "across chunks", "in a zip"],
)
async def test_an_infected_file_is_refused_by_its_virus_name_and_never_copied(
    sessions: Sessions, scanner: ClamdServer, content: bytes
) -> None:
    registered = registered_event(constraints=ANY_SIZE)
    await sessions.hear(registered, stored_event(registered, await sessions.put(registered, content)))
    store = Watched(sessions.store)

    await sessions.promotion(store, scanning=scanning(store, scanner.url)).once()
    await sessions.cleanup.once()

    (rejected,) = await sessions.told(registered)
    assert isinstance(rejected, UploadRejected)
    assert (rejected.code, rejected.message) == ("infected", VIRUS)
    assert store.promoted == []
    assert await sessions.keys() == []


async def test_a_put_between_scan_and_copy_is_scanned_itself(sessions: Sessions, scanner: ClamdServer) -> None:
    registered = registered_event()
    await sessions.hear(registered, stored_event(registered, await sessions.put(registered, b"harmless")))

    async def swap() -> None:
        await sessions.put(registered, INFECTED)

    store = Watched(sessions.store, after_read=swap)
    await sessions.promotion(store, scanning=scanning(store, scanner.url)).once()
    await sessions.cleanup.once()

    (rejected,) = await sessions.told(registered)
    assert isinstance(rejected, UploadRejected) and rejected.code == "infected"
    assert store.promoted == []
    assert await sessions.keys() == []


async def test_a_clean_put_over_an_infected_one_before_the_scan_is_accepted(sessions: Sessions, scanner: ClamdServer) -> None:
    registered = registered_event()
    await sessions.hear(registered, stored_event(registered, await sessions.put(registered, INFECTED)))
    await sessions.put(registered, b"harmless")

    await sessions.promotion(scanning=scanning(sessions.store, scanner.url)).once()

    assert await sessions.names_told(registered) == ["UploadCompleted"]


async def test_without_a_scanner_an_upload_waits_and_is_scanned_when_it_is_back(sessions: Sessions) -> None:
    clean, infected = registered_event(), registered_event()
    for registered, content in ((clean, b"harmless"), (infected, INFECTED)):
        await sessions.hear(registered, stored_event(registered, await sessions.put(registered, content)))

    with clamd.running() as scanner:
        promotion = sessions.promotion(scanning=scanning(sessions.store, scanner.url))
        scanner.stop()
        with pytest.raises(ClamdError):
            await Clamd.from_url(scanner.url, seconds=5).check()
        await promotion.once()
        for registered in (clean, infected):
            assert (await sessions.session(registered)).state is State.STORED
            assert await sessions.told(registered) == []
            await sessions.change(registered, "promote_at = now()")
        assert await sessions.keys("files/") == []
        scanner.start()
        await promotion.once()

    assert await sessions.names_told(clean) == ["UploadCompleted"]
    assert await sessions.names_told(infected) == ["UploadRejected"]


@asynccontextmanager
async def failing_clamd(*, answers_pings: bool) -> AsyncIterator[str]:
    """Takes every stream and says that it could not scan it."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if await reader.readuntil(b"\0") == b"zINSTREAM\0":
            while size := int.from_bytes(await reader.readexactly(4)):
                await reader.readexactly(size)
            writer.write(b"stream: Can't allocate memory ERROR\0")
        elif answers_pings:
            writer.write(b"PONG\0")
        writer.close()

    async with await asyncio.start_server(talk, "127.0.0.1", 0) as server:
        yield f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def test_a_file_that_an_answering_scanner_can_never_scan_is_rejected_in_the_end(sessions: Sessions) -> None:
    registered = registered_event()
    await sessions.hear(registered, stored_event(registered, await sessions.put(registered, b"odd")))

    async with failing_clamd(answers_pings=True) as url:
        promotion = sessions.promotion(scanning=scanning(sessions.store, url))
        for failed in range(MAX_FAILED_SCANS):
            found = await sessions.session(registered)
            assert (found.state, found.failed_scans) == (State.STORED, failed)
            await sessions.change(registered, "promote_at = now()")
            assert await promotion.once()
    await sessions.cleanup.once()

    (rejected,) = await sessions.told(registered)
    assert isinstance(rejected, UploadRejected) and rejected.code == "scan_failed"
    assert await sessions.keys() == []


async def test_a_scanner_that_fails_altogether_is_no_fault_of_the_file(sessions: Sessions) -> None:
    registered = registered_event()
    await sessions.hear(registered, stored_event(registered, await sessions.put(registered, b"fine")))

    async with failing_clamd(answers_pings=False) as url:
        promotion = sessions.promotion(scanning=scanning(sessions.store, url))
        for _ in range(2):
            await sessions.change(registered, "promote_at = now()")
            assert await promotion.once()

    found = await sessions.session(registered)
    assert (found.state, found.failed_scans) == (State.STORED, 0)


@pytest.mark.parametrize("size", [STREAM_MAX_BYTES, FILE_MAX_BYTES], ids=["stream", "file"])
@pytest.mark.parametrize(("accepts", "told"), [(False, UploadRejected), (True, UploadCompleted)], ids=["reject", "accept"])
async def test_a_file_beyond_the_scanners_limit_is_treated_as_the_setting_says(
    sessions: Sessions, scanner: ClamdServer, size: int, accepts: bool, told: type[Any]
) -> None:
    registered = registered_event(constraints=ANY_SIZE)
    await sessions.hear(registered, stored_event(registered, await sessions.put(registered, bytes(size + MIB))))

    await sessions.promotion(scanning=scanning(sessions.store, scanner.url, accepts_oversized=accepts)).once()
    await sessions.cleanup.once()

    (event,) = await sessions.told(registered)
    assert isinstance(event, told)
    if isinstance(event, UploadRejected):
        assert event.code == "too_large_to_scan"
        assert await sessions.keys() == []
