"""What is said of a job while it is under way."""

from contracts.envelope import EncodedEvent
from contracts.events import Event, FileInspected, ImageInfo, MediaInfo, ProcessingProgressed, Stage, StreamStarted
from libs.jobs.lease import LeaseLostError
from libs.outbox.unit_of_work import RELAY, Outbox, encode_event
from services.transcoder.domain.job import Job
from services.transcoder.store import TranscoderStore


class Reporter:
    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox

    async def progressed(self, job: Job, percent: int) -> None:
        """Raises LeaseLostError, as `inspected` does."""
        upload = job.upload
        event = ProcessingProgressed(
            upload_id=upload.upload_id, tenant_id=upload.tenant_id, version=Stage.INSPECTED, percent=percent
        )
        await self._report(job, percent, event)

    async def inspected(self, job: Job, mime_type: str, image: ImageInfo | None, media: MediaInfo | None) -> None:
        await self._report(job, 0, inspected(job, mime_type, image, media))

    async def stream_started(self, job: Job, playlist: str) -> None:
        upload = job.upload
        event = StreamStarted(
            upload_id=upload.upload_id, tenant_id=upload.tenant_id, version=Stage.INSPECTED, playlist=playlist
        )
        await self._report(job, 0, event)

    async def confirm(self, job: Job) -> None:
        """Says nothing. Raises LeaseLostError where the job is no longer ours."""
        async with self._outbox.database.connection() as connection:
            if not await TranscoderStore(connection).report(job, 0):
                raise LeaseLostError

    async def _report(self, job: Job, percent: int, event: Event) -> None:
        async with self._outbox.database.transaction() as connection:
            if not await TranscoderStore(connection).report(job, percent):
                raise LeaseLostError
            await self._outbox.write(connection, [about(job, event)])
        self._outbox.wakeups.wake(RELAY)


def about(job: Job, event: Event) -> EncodedEvent:
    """The event as a consequence of the message that asked for the job, in the same trace."""
    return encode_event(event, source="transcoder", cause=job.cause)


def inspected(job: Job, mime_type: str, image: ImageInfo | None = None, media: MediaInfo | None = None) -> FileInspected:
    upload = job.upload
    return FileInspected(
        upload_id=upload.upload_id, tenant_id=upload.tenant_id, version=Stage.INSPECTED,
        mime_type=mime_type, size_bytes=upload.object.size_bytes, image=image, media=media,
    )  # fmt: skip
