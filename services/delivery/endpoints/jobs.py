"""A timer in: makes due once more what has failed, a batch at a time."""

from typing import Final

from libs.outbox.unit_of_work import Outbox
from services.delivery.domain.endpoint import REPLAYS
from services.delivery.domain.webhook import WEBHOOKS
from services.delivery.endpoints.store import EndpointStore

POLL_SECONDS: Final = 15.0
BATCH: Final = 200


class Replays:
    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox

    async def run(self) -> None:
        while True:
            if not await self.once():
                await self._outbox.wakeups.wait(REPLAYS, timeout=POLL_SECONDS)

    async def once(self) -> bool:
        """True when there may be more."""
        async with self._outbox.unit_of_work() as work:
            worked, replayed = await EndpointStore(work.connection).replay_some(BATCH)
            for change in replayed:
                work.emit(change)
            work.wake(WEBHOOKS)
        return worked
