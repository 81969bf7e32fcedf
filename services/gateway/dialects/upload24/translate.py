"""Between the words of the Upload24 API and the gateway's own."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid4

from contracts.events import Transfer
from contracts.ids import UploadId
from libs.file_name.name import clean_name
from services.gateway.auth import Principal
from services.gateway.deps import Deps
from services.gateway.dialects.upload24.errors import Upload24Error
from services.gateway.dialects.upload24.schemas import (
    MAX_FILE_BYTES,
    AccountStatus,
    Metadata,
    Status,
    UploadEntry,
    UploadStatus,
)
from services.gateway.domain.account import AccountId, parse_id, shown_id
from services.gateway.domain.content_type import extension_of
from services.gateway.domain.error import AccountNotLinkedError, FileTooLargeError, StorageBlockedError
from services.gateway.domain.publication import Progress, Publication, aggregate
from services.gateway.domain.registration import Registration
from services.gateway.domain.submission import Submission, SubmissionState
from services.gateway.domain.upload import Upload
from services.gateway.usecases.submit import Entry

DIALECT: Final = "upload24"
FARTHEST: Final = timedelta(days=366)
"""T-18, 5.4.19."""
SHOWN: Final[Mapping[Progress, Status]] = {
    "scheduled": "Scheduled", "processing": "Processing", "uploaded": "Uploaded", "failed": "Failed"
}  # fmt: skip
PROGRESS: Final[Mapping[Status, Progress]] = {status: progress for progress, status in SHOWN.items()}


def to_entry(metadata: Metadata, principal: Principal, now: datetime) -> Entry:
    """Raises StorageBlockedError, AccountNotLinkedError or Upload24Error."""
    if principal.storage_blocked_at is not None:
        raise StorageBlockedError
    youtube = metadata.youtube.model_dump(by_alias=True, exclude_none=True) if metadata.youtube else None
    return Entry(
        accounts=account_ids(metadata.accounts),
        title=metadata.title,
        due_at=_due_at(metadata.scheduled_on, now),
        description=youtube.get("description") if youtube else None,
        tags=tuple(youtube.get("tags", ())) if youtube else (),
        youtube=youtube,
    )


def account_ids(names: Sequence[str]) -> list[AccountId]:
    """Each once. Raises AccountNotLinkedError for what no account can be called."""
    ids = {name: parse_id(name) for name in names}
    if unknown := [name for name, account_id in ids.items() if account_id is None]:
        raise AccountNotLinkedError(unknown)
    return [account_id for account_id in ids.values() if account_id is not None]


def _due_at(scheduled_on: datetime | None, now: datetime) -> datetime | None:
    if scheduled_on is None or scheduled_on <= now:
        return None
    if scheduled_on - now > FARTHEST:
        raise Upload24Error("scheduled_on_too_late", "scheduledOn is more than one year ahead")
    return scheduled_on


def max_file_bytes(deps: Deps) -> int:
    return min(MAX_FILE_BYTES, deps.limits.max_upload_bytes)


def to_registration(
    deps: Deps,
    principal: Principal,
    entry: Entry,
    upload_id: UploadId,
    *,
    now: datetime,
    transfer: Transfer,
    content_type: str,
    size_bytes: int,
    name: str,
    token: str | None = None,
) -> Registration:
    """Raises FileTooLargeError where the installation takes no files of that size."""
    if size_bytes > max_file_bytes(deps):
        raise FileTooLargeError
    url_expires_at = now if transfer == "streamed" else now + deps.limits.upload24_url
    return Registration(
        id=upload_id,
        tenant_id=principal.tenant_id,
        dialect=DIALECT,
        registered_at=now,
        url_expires_at=url_expires_at,
        deadline_at=max(now + deps.limits.upload24_session, deps.limits.put_deadline(url_expires_at, size_bytes)),
        file_expires_at=None,
        content_type=content_type,
        max_size_bytes=max_file_bytes(deps),
        min_size_bytes=1,
        transfer=transfer,
        size_bytes=size_bytes,
        name=name,
        extension=extension_of(content_type),
        transcode=False,
        view=to_stored(entry),
        token=token or uuid4().hex,
    )


def to_submission(new: Registration, state: SubmissionState, *, part_bytes: int | None = None) -> Submission:
    completed_at = new.registered_at if state is SubmissionState.COMPLETED else None
    return Submission(new.id, new.tenant_id, part_bytes, state, new.deadline_at, completed_at)


def to_stored(entry: Entry) -> dict[str, Any]:
    """What is remembered of it with the upload."""
    return {
        "title": entry.title,
        "accounts": [str(account_id) for account_id in entry.accounts],
        "due_at": entry.due_at.isoformat() if entry.due_at else None,
        "youtube": entry.youtube,
    }


def stored_entry(view: Mapping[str, Any]) -> Entry:
    youtube: dict[str, Any] | None = view["youtube"]
    return Entry(
        accounts=[AccountId(UUID(account)) for account in view["accounts"]],
        title=view["title"],
        due_at=datetime.fromisoformat(view["due_at"]) if view["due_at"] else None,
        description=youtube.get("description") if youtube else None,
        tags=tuple(youtube.get("tags", ())) if youtube else (),
        youtube=youtube,
    )


def file_name(given: str) -> str:
    return clean_name(given) or "file"


def status_of(publications: Sequence[Publication]) -> Status:
    return SHOWN[aggregate(publication.progress for publication in publications)]


def to_status(upload: Upload, publications: Sequence[Publication]) -> UploadStatus:
    due_at = upload.view["due_at"]
    return UploadStatus(
        upload_id=upload.id,
        status=status_of(publications),
        scheduled_on=timestamp(datetime.fromisoformat(due_at)) if due_at else None,
        accounts=[_account(publication) for publication in publications],
    )


def to_listed(submission: Submission, upload: Upload, publications: Sequence[Publication]) -> UploadEntry:
    return UploadEntry(
        **to_status(upload, publications).model_dump(),
        title=upload.view["title"],
        file_name=upload.name,
        file_size=upload.size_bytes or upload.declared_size_bytes,
        content_type=upload.declared_content_type,
        created_at=timestamp(submission.completed_at or upload.created_at),
    )


def _account(publication: Publication) -> AccountStatus:
    return AccountStatus(
        account_id=shown_id(publication.account_id),
        platform=publication.kind,
        status=SHOWN[publication.progress],
        external_id=publication.external_id,
        error_code=publication.error_code if publication.status == "failed" else None,
        error_message=publication.error_message if publication.status == "failed" else None,
    )


def timestamp(at: datetime) -> str:
    """`2026-04-18T09:30:00Z`, with milliseconds where there are some."""
    moment = at.astimezone(UTC)
    return moment.isoformat(timespec="milliseconds" if moment.microsecond else "seconds").replace("+00:00", "Z")
