"""Tells the webhooks of a project what became of its files, in the transaction in which it became so.

The projection says how an upload stands and whose project it is; everything about webhooks is here. Delivery sends what is
emitted.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from contracts.events import (
    Event,
    FileDeleted,
    FileExpired,
    FileInspected,
    ProcessingFailed,
    UploadCompleted,
    UploadEvent,
    UploadRejected,
    WebhookRequested,
)
from libs.messaging.message import Message
from libs.observability.tracing import current_trace_id
from libs.outbox.unit_of_work import UnitOfWork
from services.gateway.domain.upload import Upload
from services.gateway.domain.webhook import Hook, News, holds, webhook_id
from services.gateway.store import HookStore, UploadStore
from services.gateway.store.projection import Projected

NEWS: Final[Mapping[type[Event], tuple[News, ...]]] = {
    UploadCompleted: (News.UPLOADED, News.STORED),  # whichever of these comes last makes the file complete
    FileInspected: (News.UPLOADED, News.STORED),
    ProcessingFailed: (News.UPLOADED, News.STORED),
    UploadRejected: (News.INFECTED,),
    FileDeleted: (News.DELETED,),
    FileExpired: (News.DELETED,),
}
"""What may be to tell after an event."""


@dataclass(frozen=True)
class Occasion:
    """How it came that something is told."""

    initiator: Literal["api", "system"] = "api"
    request_id: str = field(default_factory=current_trace_id)
    change: str = ""
    """Tells apart news that may happen to a file more than once."""
    previous_values: Mapping[str, Any] | None = None


Writer = Callable[[Upload, Hook, Occasion], str]
"""Writes the body, in the words of the API that the project belongs to."""


class Announcer:
    def __init__(self, write: Writer) -> None:
        self._write = write

    async def tell_of(self, changed: Sequence[tuple[Message[UploadEvent], Projected]], work: UnitOfWork) -> None:
        """What there is to tell after events, each with how its upload stands now."""
        changed = [(message, now) for message, now in changed if type(message.event) in NEWS]
        hooks = await HookStore(work.connection).listening_of({now.project_id for _, now in changed if now.project_id})
        heard = [(message, hooks[now.project_id]) for message, now in changed if now.project_id in hooks]
        uploads = await UploadStore(work.connection).find_all([message.event.upload_id for message, _ in heard])
        for message, of_project in heard:
            news = NEWS[type(message.event)]
            is_system = isinstance(message.event, FileExpired | UploadRejected)
            occasion = Occasion("system" if is_system else "api", message.envelope.correlation_id)
            with work.caused_by(message.envelope):
                self.tell(uploads[message.event.upload_id], [hook for hook in of_project if hook.event in news], work, occasion)

    def tell(self, upload: Upload, hooks: Sequence[Hook], work: UnitOfWork, occasion: Occasion) -> None:
        """Each of `hooks` its news, where that is so now. Telling the same again changes nothing."""
        for hook in hooks:
            if holds(hook.event, upload):
                work.emit(WebhookRequested(
                    webhook_id=webhook_id(upload, hook, occasion.change), tenant_id=upload.tenant_id, upload_id=upload.id,
                    url=hook.target_url, format="uploadcare", name=hook.event.value,
                    body=self._write(upload, hook, occasion), secret_encrypted=hook.signing_secret_sealed,
                ))  # fmt: skip
