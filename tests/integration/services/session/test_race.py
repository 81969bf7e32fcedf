"""Everything at once: handlers, two promoting replicas and the cleanup, on the same uploads."""

import asyncio
import random
from collections.abc import Awaitable, Callable

from contracts.events import Event, Stage, UploadAbortRequested, UploadCompleted
from services.session.domain.announcement import announcements
from services.session.domain.session import State
from tests.integration.services.session.conftest import Sessions, registered_event, stored_event

SEED = 11


async def test_every_upload_ends_exactly_once_whoever_wins(sessions: Sessions) -> None:
    chance = random.Random(SEED)
    uploads = [registered_event() for _ in range(60)]
    aborted = set(chance.sample([registered.upload_id for registered in uploads], 25))
    events: list[Event] = []
    for registered in uploads:
        stored = stored_event(registered, await sessions.put(registered, b"bytes"))
        events += [registered, registered, stored, stored]
        if registered.upload_id in aborted:
            about = {"upload_id": registered.upload_id, "tenant_id": registered.tenant_id, "version": Stage.REGISTERED}
            events += [UploadAbortRequested.model_validate(about | {"reason": "replaced"})] * 2
    chance.shuffle(events)
    heard = asyncio.Event()

    async def hear(own: list[Event]) -> None:
        for start in range(0, len(own), 7):
            await sessions.hear(*own[start : start + 7])

    async def until_heard(once: Callable[[], Awaitable[bool]]) -> None:
        while True:
            last = heard.is_set()
            busy = await once()
            if last and not busy:
                return

    async def hear_all() -> None:
        await asyncio.gather(*(hear(events[part::3]) for part in range(3)))
        heard.set()

    async with asyncio.timeout(60):
        jobs = (sessions.promotion().once, sessions.promotion().once, sessions.cleanup.once)
        await asyncio.gather(hear_all(), *(until_heard(job) for job in jobs))
    while await sessions.promotion().once() or await sessions.cleanup.once():
        pass

    kept = []
    for registered in uploads:
        session = await sessions.session(registered)
        assert await sessions.told(registered) == list(announcements(session))
        assert session.state in (State.COMPLETED, State.ABORTED)
        assert session.state is State.COMPLETED or registered.upload_id in aborted
        kept += [event.object.key for event in await sessions.told(registered) if isinstance(event, UploadCompleted)]
    assert sorted(await sessions.keys()) == sorted(kept)
