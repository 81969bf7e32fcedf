"""Events in."""

from collections.abc import Sequence

from contracts.events import FileDeleted, FileExpired, UploadCompleted, UploadEvent
from libs.messaging.handler import Handlers
from libs.messaging.message import Message
from libs.outbox.unit_of_work import UnitOfWork
from services.transcoder.store import TranscoderStore


async def on_upload_completed(messages: Sequence[Message[UploadCompleted]], work: UnitOfWork) -> None:
    await TranscoderStore(work.connection).request([message.envelope for message in messages])
    work.wake("sniff")


async def on_file_removed(messages: Sequence[Message[UploadEvent]], work: UnitOfWork) -> None:
    await TranscoderStore(work.connection).remove([message.event.upload_id for message in messages])
    work.wake("clean")


HANDLERS: Handlers = {
    on_upload_completed: (UploadCompleted,),
    on_file_removed: (FileExpired, FileDeleted),
}
