"""Counts what waits for each job, for the metrics."""

from libs.outbox.unit_of_work import Outbox
from services.session.metric import WAITING
from services.session.store import SessionStore


class Gauges:
    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox

    async def once(self) -> bool:
        async with self._outbox.database.connection() as connection:
            for job, count in (await SessionStore(connection).waiting()).items():
                WAITING.labels(job).set(count)
        return False
