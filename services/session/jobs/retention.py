"""Decides that files go whose time is over; the cleanup job carries it out.

Nobody can read them from that time on; they lie there for a while longer, because in its last moment an owner may have been
told that the file is kept, and the event that says so is still on its way.
"""

from datetime import timedelta

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
            before = {session.upload_id: session for session, _ in due}
            await change(work, before, {session.upload_id: end_retention(session, now) for session, now in due})
        return bool(due)
