"""Forgets uploads of which nothing is left: long after the last event about them may still have been on its way."""

from datetime import timedelta

from libs.outbox.unit_of_work import Outbox
from services.session.store import SessionStore


class Forgetting:
    def __init__(self, outbox: Outbox, *, batch: int, age: timedelta) -> None:
        self._outbox = outbox
        self._batch = batch
        self._age = age

    async def once(self) -> bool:
        async with self._outbox.database.connection() as connection:
            return await SessionStore(connection).forget(self._batch, self._age) == self._batch
