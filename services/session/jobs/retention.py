"""Decides that files go whose time is over; the cleanup job carries it out."""

from libs.outbox.unit_of_work import Outbox
from services.session.handlers import CLEANUP
from services.session.store import SessionStore


class Retention:
    def __init__(self, outbox: Outbox, *, batch: int) -> None:
        self._outbox = outbox
        self._batch = batch

    async def once(self) -> bool:
        async with self._outbox.unit_of_work() as work:
            ended = await SessionStore(work.connection).end_retention(self._batch)
            if ended:
                work.wake(CLEANUP)
        return bool(ended)
