"""Deletes what must not lie in the store any more: open multipart uploads, staged copies, and removed files with all that was
made of them.
"""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from functools import partial

import structlog

from libs.object_store.port import ObjectStore, delete_prefix
from libs.outbox.unit_of_work import Outbox
from services.session.domain.session import Session, cleaned, doomed_keys
from services.session.jobs.patience import patiently
from services.session.jobs.transition import change
from services.session.store import SessionStore

log = structlog.get_logger()

LEASE = timedelta(seconds=60)
"""Also the pause before the second try when the store failed; it doubles from then on."""


class Cleanup:
    def __init__(self, outbox: Outbox, store: ObjectStore, *, batch: int, deletions: int) -> None:
        self._outbox = outbox
        self._objects = store
        self._batch = batch
        self._deletions = asyncio.Semaphore(deletions)

    async def once(self) -> bool:
        """Raises nothing: what could not be deleted stays due."""
        async with self._outbox.database.connection() as connection:
            claimed = await SessionStore(connection).claim_cleanups(self._batch, LEASE)
        if not claimed:
            return False
        results = await asyncio.gather(
            self._delete_staged([session for session in claimed if not session.removal]),
            *(self._remove(session) for session in claimed if session.removal),
        )
        done = [session for result in results for session in result]
        if done:
            await patiently(partial(self._finish, done))
        return bool(done)

    async def _delete_staged(self, sessions: Sequence[Session]) -> Sequence[Session]:
        """All with one request; where that fails each on its own, so that what cannot be deleted holds up nothing else."""
        if await self._deleted(sessions):
            return sessions
        results = await asyncio.gather(*(self._deleted([session]) for session in sessions))
        return [session for session, deleted in zip(sessions, results, strict=True) if deleted]

    async def _deleted(self, sessions: Sequence[Session]) -> bool:
        try:
            async with self._deletions:
                await asyncio.gather(*(self._abort_multipart(session) for session in sessions))
                if keys := [key for session in sessions for key in doomed_keys(session)]:
                    await self._objects.delete(keys)
        except Exception as error:
            first = str(sessions[0].upload_id)
            log.warning("cleanup.postponed", sessions=len(sessions), upload_id=first, error=type(error).__name__)
            return False
        return True

    async def _remove(self, session: Session) -> Sequence[Session]:
        try:
            async with self._deletions:
                await self._abort_multipart(session)
                for prefix in ("files", "staging"):
                    await delete_prefix(self._objects, f"{prefix}/{session.upload_id}/")
        except Exception as error:
            log.warning("removal.postponed", upload_id=str(session.upload_id), error=type(error).__name__)
            return ()
        return (session,)

    async def _abort_multipart(self, session: Session) -> None:
        """Before anything is deleted: afterwards no completion can bring it back."""
        if session.staging_key and session.multipart_id:
            await self._objects.abort_multipart(session.staging_key, session.multipart_id)

    async def _finish(self, done: Sequence[Session]) -> None:
        """`cleanup_at` is the claim's token: where it changed meanwhile, there is more to clean."""
        claimed = {session.upload_id: session.cleanup_at for session in done}
        async with self._outbox.unit_of_work() as work:
            known, now = await SessionStore(work.connection).lock_at(list(claimed))
            before = {key: session for key, session in known.items() if session.cleanup_at == claimed[key]}
            await change(work, before, {key: cleaned(session, now) for key, session in before.items()})
