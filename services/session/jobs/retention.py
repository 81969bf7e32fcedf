"""Decides that files go whose time is over; the cleanup job carries it out.

Nobody can read them from that time on; they lie there for a while longer, because in its last moment an owner may have been
told that the file is kept, and the event that says so is still on its way.
"""

from datetime import UTC, datetime, timedelta

from libs.outbox.unit_of_work import Outbox
from services.session.domain.session import end_retention
from services.session.jobs.transition import change
from services.session.store import SessionStore


class Retention:
    def __init__(self, outbox: Outbox, *, batch: int, grace: timedelta) -> None:
        self._outbox = outbox
        self._batch = batch
        self._grace = grace

    async def once(self) -> bool:
        async with self._outbox.unit_of_work() as work:
            due = await SessionStore(work.connection).due_for_removal(self._batch, self._grace)
            now = datetime.now(UTC)
            before = {session.upload_id: session for session in due}
            await change(work, before, {key: end_retention(session, now) for key, session in before.items()})
        return bool(due)
