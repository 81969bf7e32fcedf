"""What is said of a fetch while it is under way."""

import asyncio

from contracts.envelope import EncodedEvent
from contracts.events import Event, FetchProgressed, Stage
from libs.jobs.lease import LeaseLostError
from libs.outbox.unit_of_work import RELAY, Outbox, encode_event
from services.ingest.domain.fetch import Fetch, Found
from services.ingest.domain.progress import Progress
from services.ingest.store import IngestStore


class Reporter:
    """Raises LeaseLostError where the fetch is no longer ours."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox

    async def began(self, fetch: Fetch, found: Found, progress: Progress) -> None:
        """The source has content that is wanted."""
        async with self._outbox.database.connection() as connection:
            if not await IngestStore(connection).begin(fetch, found):
                raise LeaseLostError
        if fetch.reports == 0:
            await self.progressed(fetch, progress)

    async def progressed(self, fetch: Fetch, progress: Progress) -> None:
        progress.reported(asyncio.get_running_loop().time())
        async with self._outbox.database.transaction() as connection:
            number = await IngestStore(connection).report(fetch, progress)
            if number is None:
                raise LeaseLostError
            event = FetchProgressed(
                upload_id=fetch.request.upload_id, tenant_id=fetch.request.tenant_id, version=Stage.REGISTERED,
                sequence=number, done_bytes=progress.reported_bytes, total_bytes=progress.total_bytes,
            )  # fmt: skip
            await self._outbox.write(connection, [about(fetch, event)])
        self._outbox.wakeups.wake(RELAY)


def about(fetch: Fetch, event: Event) -> EncodedEvent:
    """The event as a consequence of the message that asked for the fetch, in the same trace."""
    return encode_event(event, source="ingest", cause=fetch.cause)
