"""Tells the webhooks of a project what became of its files, in the transaction in which it became so.

The projection's handlers answer whose project a file is; everything about webhooks is here. Delivery sends what is emitted.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from contracts.events import (
    Event,
    FileDeleted,
    FileExpired,
    FileInspected,
    ProcessingFailed,
    UploadCompleted,
    UploadRejected,
    WebhookRequested,
)
from contracts.ids import UploadId
from libs.observability.tracing import current_trace_id
from libs.outbox.unit_of_work import UnitOfWork
from libs.runtime.service import Handler, Handlers
from services.gateway.domain.project import ProjectId
from services.gateway.domain.upload import Upload
from services.gateway.domain.webhook import Hook, News, holds, webhook_id
from services.gateway.store import HookStore, UploadStore

NEWS: Final[Mapping[type[Event], tuple[News, ...]]] = {
    UploadCompleted: (News.UPLOADED, News.STORED),  # whichever of these comes last makes the file complete
    FileInspected: (News.UPLOADED, News.STORED),
    ProcessingFailed: (News.UPLOADED, News.STORED),
    UploadRejected: (News.INFECTED,),
    FileDeleted: (News.DELETED,),
    FileExpired: (News.DELETED,),
}
"""What may be to tell after an event."""

Projector = Callable[[Any, UnitOfWork], Awaitable[ProjectId | None]]
"""A handler that answers the project of the upload, where that has one and there may be something to tell."""


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

    def after(self, handlers: Mapping[type[Event], Projector]) -> Handlers:
        """`handlers`, and after each of them what there is to tell."""
        return {event: self._telling(handler, NEWS.get(event, ())) for event, handler in handlers.items()}

    def _telling(self, handler: Projector, news: Sequence[News]) -> Handler:
        async def handle(event: Any, work: UnitOfWork) -> None:
            project_id = await handler(event, work)
            if project_id is not None:
                initiator: Literal["api", "system"] = "system" if isinstance(event, FileExpired | UploadRejected) else "api"
                request_id = work.cause.correlation_id if work.cause else current_trace_id()
                await self._tell_of(event.upload_id, project_id, news, work, Occasion(initiator, request_id))

        return handle

    async def _tell_of(
        self, upload_id: UploadId, project_id: ProjectId, news: Sequence[News], work: UnitOfWork, occasion: Occasion
    ) -> None:
        hooks = await HookStore(work.connection).listening(project_id, news)
        upload = await UploadStore(work.connection).find(upload_id) if hooks else None
        if upload is not None:
            self.tell(upload, hooks, work, occasion)

    def tell(self, upload: Upload, hooks: Sequence[Hook], work: UnitOfWork, occasion: Occasion) -> None:
        """Each of `hooks` its news, where that is so now. Telling the same again changes nothing."""
        for hook in hooks:
            if holds(hook.event, upload):
                work.emit(WebhookRequested(
                    webhook_id=webhook_id(upload, hook, occasion.change), tenant_id=upload.tenant_id, upload_id=upload.id,
                    url=hook.target_url, format="uploadcare", name=hook.event.value,
                    body=self._write(upload, hook, occasion), secret_encrypted=hook.signing_secret_sealed,
                ))  # fmt: skip
