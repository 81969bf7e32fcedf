"""The projection's rows in the platform's own words."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import PurePosixPath
from urllib.parse import quote

from services.gateway.domain import timeline
from services.gateway.domain.name import file_url
from services.gateway.domain.upload import WITHOUT_FILE, State, Upload
from services.gateway.platform.schema import (
    CanonicalState,
    DeliveryView,
    ErrorView,
    FileView,
    RenditionView,
    TimelineView,
    UploadSummary,
    UploadView,
)


class Translator:
    def __init__(self, base_url: str) -> None:
        self._base_url = base_url

    def upload(
        self,
        upload: Upload,
        client_id: str,
        deliveries: list[timeline.DeliveryView],
        entries: Sequence[timeline.TimelineEntry],
    ) -> UploadView:
        return UploadView(
            **dict(self.summary(upload, client_id)),
            stream_url=self._stream_url(upload),
            renditions=[] if upload.removed else [self._rendition(upload, rendition) for rendition in upload.renditions],
            deliveries=[_delivery(delivery) for delivery in deliveries],
            timeline=[
                TimelineView(id=e.event_id, type=e.type, time=e.occurred_at, version=e.version, summary=e.summary)
                for e in entries
            ],
        )

    def summary(self, upload: Upload, client_id: str) -> UploadSummary:
        return UploadSummary.model_validate(
            {
                "id": upload.id,
                "dialect": upload.dialect,
                "state": canonical_state(upload),
                "version": upload.version,
                "progress_percent": 100 if upload.state is State.READY else upload.progress_percent,
                "file": FileView(
                    name=upload.name,
                    size_bytes=upload.declared_size_bytes if upload.size_bytes is None else upload.size_bytes,
                    mime_type=upload.mime_type or upload.content_type or upload.declared_content_type,
                    etag=upload.etag,
                    url=self._file_url(upload, client_id),
                    image=upload.image,
                    media=upload.media,
                    expires_at=upload.file_expires_at,
                ),
                "error": ErrorView(code=upload.error_code, message=upload.error_message or "") if upload.error_code else None,
                "created_at": upload.created_at,
                "updated_at": upload.updated_at,
            }
        )

    def _file_url(self, upload: Upload, client_id: str) -> str | None:
        if not _kept(upload):
            return None
        if upload.dialect == "json2video":
            return file_url(self._base_url, client_id, upload.folder, upload.name or "") if upload.has_file else None
        if upload.dialect in ("medialab", "upload24"):  # their files have no public address
            return None
        suffix = PurePosixPath(upload.object_key).suffix
        return f"{self._base_url}/public/{upload.id}{suffix}" if upload.ready else None

    def _stream_url(self, upload: Upload) -> str | None:
        if upload.stream_playlist is None or not (upload.is_streaming or upload.ready) or not _kept(upload):
            return None
        return f"{self._base_url}/renditions/{upload.id}/{upload.stream_playlist}"

    def _rendition(self, upload: Upload, rendition: dict[str, object]) -> RenditionView:
        published = upload.ready and _kept(upload)
        url = f"{self._base_url}/renditions/{upload.id}/{quote(str(rendition['name']))}" if published else None
        return RenditionView.model_validate({"width": None, "height": None, "duration_seconds": None, **rendition, "url": url})


def canonical_state(upload: Upload) -> CanonicalState:
    """What its owner gave up is DELETED at once, whatever the services still have to do."""
    if upload.state is State.FILE_EXPIRED:
        return CanonicalState.EXPIRED
    if upload.deleted_at is not None and upload.state not in WITHOUT_FILE:
        return CanonicalState.DELETED
    return CanonicalState(upload.state.value)


def _kept(upload: Upload) -> bool:
    return not upload.removed and (upload.file_expires_at is None or upload.file_expires_at > datetime.now(UTC))


def _delivery(delivery: timeline.DeliveryView) -> DeliveryView:
    return DeliveryView.model_validate({**asdict(delivery), "id": delivery.delivery_id})
