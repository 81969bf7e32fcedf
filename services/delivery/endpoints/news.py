"""What events mean for webhook endpoints: one name and a few facts, no more than the event itself says."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from contracts.events import (
    Event,
    FileDeleted,
    FileExpired,
    JsonObject,
    ProcessingCompleted,
    ProcessingFailed,
    PublicationChanged,
    UploadAborted,
    UploadCompleted,
    UploadEvent,
    UploadExpired,
    UploadRejected,
)
from contracts.webhook import WebhookNews


@dataclass(frozen=True)
class News:
    name: WebhookNews
    data: JsonObject
    """`upload`, always with its `id`, and what else there is."""


def news_of(event: Event) -> News | None:
    """None where there is nothing to tell: the step was not the last."""
    return TOLD[type(event)](event)


def _completed(event: UploadCompleted) -> News:
    stored = event.object
    return _of(
        event, "upload.completed", "COMPLETED",
        file_name=event.file_name, size_bytes=stored.size_bytes, content_type=stored.content_type, etag=stored.etag,
    )  # fmt: skip


def _rejected(event: UploadRejected) -> News:
    return _of(event, "upload.rejected", "REJECTED", error=_error(event.code, event.message))


def _aborted(event: UploadAborted) -> News:
    return _of(event, "upload.aborted", "ABORTED", reason=event.reason)


def _expired(event: UploadExpired) -> News:
    return _of(event, "upload.expired", "EXPIRED")


def _processed(event: ProcessingCompleted) -> News:
    shown = {"name", "kind", "content_type", "size_bytes", "width", "height", "duration_seconds"}
    renditions = [rendition.model_dump(mode="json", include=shown) for rendition in event.renditions]
    return _of(event, "upload.processed", "READY", mime_type=event.mime_type, renditions=renditions)


def _processing_failed(event: ProcessingFailed) -> News:
    error = _error(event.code, event.message)
    return _of(event, "upload.processing_failed", "PROCESSING_FAILED", mime_type=event.mime_type, error=error)


def _file_deleted(event: FileDeleted) -> News:
    return _of(event, "file.deleted", "DELETED")


def _file_expired(event: FileExpired) -> News:
    return _of(event, "file.expired", "EXPIRED")


def _published(event: PublicationChanged) -> News | None:
    if event.status not in ("published", "failed"):
        return None
    error = _error(event.error_code, event.error_message or "") if event.error_code else None
    publication = {
        "id": str(event.publication_id),
        "account_id": f"account_{event.account_id.hex}",
        "status": event.status,
        "external_id": event.external_id,
        "error": error,
    }
    name: WebhookNews = "publication.published" if event.status == "published" else "publication.failed"
    return News(name, {"upload": {"id": str(event.upload_id)}, "publication": publication})


def _of(event: UploadEvent, name: WebhookNews, state: str, **facts: Any) -> News:
    """`state` in the words of `/platform/v1`."""
    return News(name, {"upload": {"id": str(event.upload_id), "version": int(event.version), "state": state, **facts}})


def _error(code: str, message: str) -> JsonObject:
    return {"code": code, "message": message}


TOLD: Final[Mapping[type[Event], Callable[[Any], News | None]]] = {
    UploadCompleted: _completed,
    UploadRejected: _rejected,
    UploadAborted: _aborted,
    UploadExpired: _expired,
    ProcessingCompleted: _processed,
    ProcessingFailed: _processing_failed,
    FileDeleted: _file_deleted,
    FileExpired: _file_expired,
    PublicationChanged: _published,
}
