"""Says again how uploads ended, so that a bus that lost everything is a delay and not a loss.

Three rounds follow the clock at 2 min, 10 min and 1 h. Each remembers how far it came and reads on from there through one
index: no row is written for being told again. The event ids are the same as the first time, so whoever knew ignores it.
"""

from datetime import timedelta

from libs.outbox.unit_of_work import Outbox
from services.session.domain.announcement import announcements
from services.session.jobs.told import tell
from services.session.metric import RESENT
from services.session.store import Position, SessionStore

DELAYS = (timedelta(minutes=2), timedelta(minutes=10), timedelta(hours=1))
"""Longer than any transaction: what commits late was changed after the round's position."""

HORIZON = timedelta(hours=2)
"""What ended earlier is left alone, e.g. after the service stood still for a day."""


class Resend:
    def __init__(self, outbox: Outbox, delay: timedelta, *, batch: int) -> None:
        self._outbox = outbox
        self._delay = delay
        self._batch = batch

    async def once(self) -> bool:
        async with self._outbox.unit_of_work() as work:
            store = SessionStore(work.connection)
            await store.start_round(self._delay, HORIZON)
            position = await store.lock_round(self._delay)
            if position is None:
                return False
            sessions = await store.changed_since(position, HORIZON, self._delay, self._batch)
            for session in sessions:
                tell(work, session, announcements(session))
            if sessions and (changed_at := sessions[-1].changed_at):
                await store.move_round(self._delay, Position(changed_at, sessions[-1].upload_id))
        RESENT.inc(len(sessions))
        return len(sessions) == self._batch
