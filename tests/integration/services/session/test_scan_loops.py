"""The virus scanner inside the running service: leases, lanes, readiness."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from contracts.events import Constraints
from libs.runtime.host import supervise
from services.session.adapters.clamd import Clamd
from services.session.app import build
from services.session.settings import Settings
from tests.integration.services.session.conftest import Sessions, chunks, registered_event, stored_event
from tests.integration.services.session.scan import Watched, scanning
from tests.servers.clamd import INFECTED, ClamdServer

MIB = 1 << 20


async def test_a_unix_socket_is_as_good(sessions: Sessions, scanner: ClamdServer) -> None:
    registered = registered_event()
    await sessions.hear(registered, stored_event(registered, await sessions.put(registered, INFECTED)))

    await Clamd.from_url(scanner.socket_url, seconds=5).check()
    await sessions.promotion(scanning=scanning(sessions.store, scanner.socket_url)).once()

    assert await sessions.names_told(registered) == ["UploadRejected"]


async def test_a_file_that_ends_too_early_is_no_clean_file(sessions: Sessions, scanner: ClamdServer) -> None:
    registered = registered_event()
    await sessions.hear(registered, stored_event(registered, await sessions.put(registered, b"harmless " + INFECTED)))

    class CutShort(Watched):
        async def read(self, key: str, **options: Any) -> AsyncIterator[bytes]:
            yield b"harmless"

    store = CutShort(sessions.store)
    await sessions.promotion(store, scanning=scanning(store, scanner.url)).once()

    assert await sessions.told(registered) == []
    assert store.promoted == []


async def test_a_long_scan_keeps_its_lease(sessions: Sessions, scanner: ClamdServer) -> None:
    registered = registered_event()
    await sessions.hear(registered, stored_event(registered, await sessions.put(registered, b"harmless")))

    async def until_renewed() -> None:
        async with sessions.outbox.database.connection() as connection:
            first = await connection.fetchval("SELECT promote_at FROM sessions")
            while await connection.fetchval("SELECT promote_at FROM sessions") == first:
                await asyncio.sleep(0.05)

    store = Watched(sessions.store, after_read=until_renewed)
    promotion = sessions.promotion(store, timedelta(seconds=3), scanning(store, scanner.url))
    await promotion.once()

    assert await sessions.names_told(registered) == ["UploadCompleted"]


@pytest.mark.parametrize("slow_bytes", [65 * MIB, 1000], ids=["a large one", "one of the same lane"])
async def test_a_slow_scan_holds_up_no_other_file(
    sessions: Sessions, scanner: ClamdServer, slow_bytes: int, database_dsn: str
) -> None:
    constraints = Constraints(max_size_bytes=1 << 30)
    slow, quick = registered_event(constraints=constraints), registered_event(constraints=constraints)
    reading, ended = asyncio.Event(), asyncio.Event()

    class Slow(Watched):
        async def read(self, key: str, **options: Any) -> AsyncIterator[bytes]:
            if key == slow.staging_key:
                reading.set()
                await ended.wait()
            async for chunk in self.store.read(key, **options):
                yield chunk

    async def until_told(registered: Any) -> list[str]:
        while not (names := await sessions.names_told(registered)):
            await asyncio.sleep(0.02)
        return names

    settings = {"postgres_dsn": database_dsn, "clamd_url": scanner.url, "session_scan_oversized": "accept"}
    service = build(Settings.model_validate(settings), Slow(sessions.store))
    await service.outbox.database.open()
    loops = [asyncio.create_task(supervise(name, loop)) for name, loop in service.loops.items()]
    try:
        found = await sessions.store.write(slow.staging_key, chunks(bytes(slow_bytes)), content_type="image/png")
        await sessions.hear(slow, stored_event(slow, found))
        await reading.wait()
        await sessions.hear(quick, stored_event(quick, await sessions.put(quick, b"harmless")))
        assert await until_told(quick) == ["UploadCompleted"]
        assert await sessions.names_told(slow) == []
        ended.set()
        assert await until_told(slow) == ["UploadCompleted"]
    finally:
        for loop in loops:
            loop.cancel()
        await asyncio.wait(loops)
        await service.outbox.database.close()


async def test_a_service_with_a_scanner_is_ready_when_that_answers(
    sessions: Sessions, scanner: ClamdServer, database_dsn: str
) -> None:
    settings = {"postgres_dsn": database_dsn, "clamd_url": scanner.url}

    service = build(Settings.model_validate(settings), sessions.store)

    await service.resources[-1].check()
    assert len(build(Settings.model_validate({"postgres_dsn": database_dsn}), sessions.store).resources) == 1
