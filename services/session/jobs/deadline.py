"""Ends uploads whose bytes did not come in time, after one more look into the store."""

import asyncio
from datetime import datetime, timedelta

import structlog

from libs.object_store.port import ObjectStore
from libs.outbox.unit_of_work import Outbox
from services.session.domain.session import Session, expire, restore
from services.session.jobs.transition import change
from services.session.store import SessionStore

log = structlog.get_logger()

POSTPONEMENT = timedelta(minutes=2)
"""For what lies in the store unannounced, and for what could not be looked at."""


class Deadline:
    def __init__(self, outbox: Outbox, store: ObjectStore, *, batch: int, looks: int) -> None:
        self._outbox = outbox
        self._objects = store
        self._batch = batch
        self._looks = asyncio.Semaphore(looks)

    async def once(self) -> bool:
        async with self._outbox.database.connection() as connection:
            claimed = await SessionStore(connection).claim_deadlines(self._batch, POSTPONEMENT)
        if not claimed:
            return False
        etags = await asyncio.gather(*(self._look(session) for session in claimed))
        seen = {session.upload_id: etag for session, etag in zip(claimed, etags, strict=True)}
        async with self._outbox.unit_of_work() as work:
            before, now = await SessionStore(work.connection).lock_at(list(seen))
            await change(work, before, {key: _decide(session, seen[key], now) for key, session in before.items()})
        return True

    async def _look(self, session: Session) -> str | None:
        """The ETag of what lies there; empty where that cannot be said now."""
        try:
            async with self._looks:
                found = await self._objects.stat(session.staging_key or "")
        except Exception as error:  # not seen is not gone: another look later
            log.warning("deadline.postponed", upload_id=str(session.upload_id), error=type(error).__name__)
            return ""
        return found.etag if found else None


def _decide(session: Session, etag: str | None, now: datetime) -> Session:
    """Nothing came: it is over. What was announced before is there again: it goes on. Else another look later."""
    if etag is None:
        return expire(session, now)
    return restore(session) if session.staged and session.staged.etag == etag else session
