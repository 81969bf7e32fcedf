"""Between the words of the eachlabs API and the gateway's own."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from math import ceil
from typing import Final
from uuid import uuid4

from contracts.events import Callback
from contracts.ids import UploadId, new_upload_id
from services.gateway.auth import Principal
from services.gateway.deps import Deps
from services.gateway.dialects.eachlabs.schemas import FailureView, RenditionView, Status, UploadRequest, UploadView
from services.gateway.domain.content_type import EXTENSIONS, UNDECLARED, essence, is_content_type, kind_of
from services.gateway.domain.error import ForeignOwnerError, InvalidFieldError
from services.gateway.domain.registration import Registration
from services.gateway.domain.upload import State, Upload

DIALECT: Final = "eachlabs"

STATUS: Final[Mapping[State, Status]] = {
    State.REGISTERED: "PENDING",
    State.STORED: "UPLOADED",
    State.COMPLETED: "PROCESSING",
    State.PROCESSING: "PROCESSING",
    State.READY: "COMPLETED",
    State.PROCESSING_FAILED: "FAILED",
    State.REJECTED: "FAILED",
    State.EXPIRED: "EXPIRED",
    State.FILE_EXPIRED: "EXPIRED",
    State.ABORTED: "DELETED",
    State.DELETED: "DELETED",
}


def check(body: UploadRequest, principal: Principal) -> None:
    """What the fields say together. Raises ForeignOwnerError or InvalidFieldError."""
    if body.owner != principal.org:
        raise ForeignOwnerError
    if body.content_type is not None:
        _check_content_type(body.content_type, body.file_type)
    for field, value in (
        ("audio_duration_seconds", body.audio_duration_seconds),
        ("video_duration_seconds", body.video_duration_seconds),
        ("video_bitrate_kbps", body.video_bitrate_kbps),
    ):
        kind = field.partition("_")[0]
        if value is not None and body.file_type != kind:
            raise InvalidFieldError(field, f"{field} is allowed only with file_type {kind}")


def _check_content_type(content_type: str, file_type: str) -> None:
    if not is_content_type(content_type):
        raise InvalidFieldError("content_type", "content_type is not a MIME type")
    if essence(content_type) not in EXTENSIONS:
        raise InvalidFieldError("content_type", f"unsupported content_type {essence(content_type)}")
    if file_type not in ("other", kind_of(content_type)):
        raise InvalidFieldError("content_type", f"content_type {essence(content_type)} does not fit file_type {file_type}")


def to_registration(body: UploadRequest, principal: Principal, deps: Deps, now: datetime) -> Registration:
    upload_id = new_upload_id()
    content_type = body.content_type or UNDECLARED
    extension = EXTENSIONS[essence(content_type)] if body.content_type else ""
    url_expires_at = now + deps.limits.eachlabs_url
    file_expires_at = (now + deps.limits.retention).replace(microsecond=0)
    view = {"owner": body.owner, "uploader": body.uploader, "file_type": body.file_type, "extension": extension}
    return Registration(
        id=upload_id,
        tenant_id=principal.tenant_id,
        dialect=DIALECT,
        registered_at=now,
        url_expires_at=url_expires_at,
        deadline_at=deps.limits.put_deadline(url_expires_at, None),
        file_expires_at=file_expires_at,
        content_type=content_type,
        max_size_bytes=deps.limits.max_upload_bytes,
        extension=extension,
        token=f"{uuid4().hex}{extension}",  # E-17: the path of the upload URL ends in it, too
        view=view,
        callback=Callback(
            url=body.callback_url,
            format=DIALECT,
            view={
                "id": str(upload_id),
                "public_url": public_url(deps.base_url, upload_id, extension),
                "expires_at": timestamp(file_expires_at),
                "owner": body.owner,
                "uploader": body.uploader,
                "file_type": body.file_type,
                "content_type": content_type,
                "created_at": timestamp(now),
                "renditions_url": rendition_url(deps.base_url, upload_id, ""),
            },
        )
        if body.callback_url
        else None,
    )


def required_headers(body: UploadRequest, new: Registration, retention: timedelta) -> dict[str, str]:
    """E-16, 5.4.8: what the PUT must carry, all of it signed. Durations and bitrate only where they were given."""
    headers = {"Content-Type": new.content_type, "x-amz-meta-file-id": str(new.id)}
    if new.file_expires_at is not None:
        headers["x-amz-meta-expires-at"] = timestamp(new.file_expires_at)
    for header, value in (
        ("x-amz-meta-audio-duration-seconds", body.audio_duration_seconds),
        ("x-amz-meta-video-duration-seconds", body.video_duration_seconds),
        ("x-amz-meta-video-bitrate-kbps", body.video_bitrate_kbps),
    ):
        if value is not None:
            headers[header] = str(value)
    headers["x-amz-tagging"] = f"uploader={body.uploader}&ttl_days={ceil(retention / timedelta(days=1))}"
    return headers


def to_view(upload: Upload, base_url: str) -> UploadView:
    status: Status = "DELETED" if upload.deleted_at else STATUS[upload.state]
    return UploadView(
        id=upload.id,
        status=status,
        public_url=public_url(base_url, upload.id, upload.view["extension"]),
        expires_at=timestamp(upload.file_expires_at) if upload.file_expires_at else None,
        owner=upload.view["owner"],
        uploader=upload.view["uploader"],
        file_type=upload.view["file_type"],
        content_type=upload.mime_type or upload.declared_content_type or UNDECLARED,
        size=upload.size_bytes,
        created_at=timestamp(upload.created_at),
        updated_at=timestamp(upload.updated_at),
        error=FailureView(code=upload.error_code, message=upload.error_message or "")
        if status == "FAILED" and upload.error_code
        else None,
        renditions=[
            RenditionView(**{**rendition, "url": rendition_url(base_url, upload.id, rendition["name"])})
            for rendition in (upload.renditions if upload.ready else ())
        ],
    )


def public_url(base_url: str, upload_id: UploadId, extension: str) -> str:
    """E-12, E-17."""
    return f"{base_url}/public/{upload_id}{extension}"


def rendition_url(base_url: str, upload_id: UploadId, name: str) -> str:
    return f"{base_url}/renditions/{upload_id}/{name}"


def timestamp(at: datetime) -> str:
    """`2026-09-01T10:00:00Z`"""
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
