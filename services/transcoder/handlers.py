"""Events in."""

from contracts.events import FileDeleted, FileExpired, UploadCompleted
from libs.outbox.unit_of_work import UnitOfWork, envelop
from libs.runtime.service import Handlers
from services.transcoder.store import TranscoderStore


async def on_upload_completed(event: UploadCompleted, work: UnitOfWork) -> None:
    await TranscoderStore(work.connection).request(work.cause or envelop(event, source=work.source))
    work.wake("sniff")


async def on_file_removed(event: FileExpired | FileDeleted, work: UnitOfWork) -> None:
    await TranscoderStore(work.connection).remove(event.upload_id)
    work.wake("clean")


HANDLERS: Handlers = {
    UploadCompleted: on_upload_completed,
    FileExpired: on_file_removed,
    FileDeleted: on_file_removed,
}
