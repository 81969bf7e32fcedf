"""The callback of the eachlabs API: what its GET answers at that moment, and the event's name (E-06)."""

from datetime import UTC, datetime
from typing import Any, Final

from contracts.events import Rendition
from services.delivery.domain.outcome import Upload

STATUS: Final = {
    "ready": "COMPLETED",
    "processing_failed": "FAILED",
    "rejected": "FAILED",
    "aborted": "DELETED",
    "expired": "EXPIRED",
}
EVENT: Final = {
    "COMPLETED": "upload.completed",
    "FAILED": "upload.failed",
    "DELETED": "upload.deleted",
    "EXPIRED": "upload.expired",
}


def body(upload: Upload) -> dict[str, Any]:
    """The upload must be complete."""
    assert upload.callback is not None
    assert upload.outcome is not None
    view, outcome = upload.callback.view, upload.outcome
    status = STATUS[outcome.state]
    return {
        "event": EVENT[status],
        "version": outcome.version,
        "id": view.get("id", str(upload.upload_id)),
        "status": status,
        "public_url": view.get("public_url"),
        "expires_at": view.get("expires_at"),
        "owner": view.get("owner"),
        "uploader": view.get("uploader"),
        "file_type": view.get("file_type"),
        "content_type": upload.mime_type or view.get("content_type"),
        "size": upload.size_bytes,
        "created_at": view.get("created_at"),
        "updated_at": _instant(outcome.ended_at),
        "error": {"code": outcome.error_code, "message": outcome.error_message} if outcome.error_code else None,
        "renditions": [_rendition(rendition, view.get("renditions_url")) for rendition in outcome.renditions],
    }


def _rendition(rendition: Rendition, prefix: str | None) -> dict[str, Any]:
    return {
        "name": rendition.name,
        "kind": rendition.kind,
        "url": f"{prefix}{rendition.name}" if prefix else None,
        "content_type": rendition.content_type,
        "width": rendition.width,
        "height": rendition.height,
    }


def _instant(moment: datetime) -> str:
    """`2026-09-01T10:00:00Z`, as everywhere in this API."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
