"""The gateway's rows in the words of the REST API."""

import re
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from contracts.events import Stage
from services.gateway.dialects.uploadcare.file_info import content_view, is_image, original_filename, sanitized, size_of
from services.gateway.dialects.uploadcare.found_file import is_there
from services.gateway.dialects.uploadcare.params import to_uuid
from services.gateway.dialects.uploadcare.rest.errors import MissingError
from services.gateway.dialects.uploadcare.rest.schemas import FileView, GroupSummary, GroupView, HookView, MemberView
from services.gateway.domain.content_type import UNDECLARED
from services.gateway.domain.project import ProjectId
from services.gateway.domain.upload import Upload
from services.gateway.domain.webhook import Hook
from services.gateway.store.group import Group, Member

_GROUP_ID: Final = re.compile(r"(.{36})~([1-9][0-9]{0,4})")


def to_view(upload: Upload, base_url: str) -> FileView:
    return FileView.model_validate(file_fields(upload, base_url))


def file_fields(upload: Upload, base_url: str) -> dict[str, Any]:
    return {
        "uuid": upload.id,
        "url": f"{base_url}/files/{upload.id}/",
        "size": size_of(upload),
        "mime_type": upload.declared_content_type or upload.mime_type or UNDECLARED,
        "is_image": is_image(upload),
        "is_ready": upload.completed_at is not None and upload.version >= Stage.INSPECTED,
        "original_filename": original_filename(upload),
        "original_file_url": None if upload.removed else file_url(upload, base_url),
        "datetime_uploaded": timestamp(upload.created_at),
        "datetime_stored": None if upload.removed or upload.kept_at is None else timestamp(upload.kept_at),
        "datetime_removed": timestamp(upload.deleted_at or upload.updated_at) if upload.removed else None,
        "content_info": content_view(upload),
        "metadata": upload.metadata,
    }


def file_url(upload: Upload, base_url: str) -> str:
    """Where the file itself is served."""
    return f"{base_url}/{upload.id}/{sanitized(original_filename(upload))}"


def to_summary(group: Group, base_url: str) -> GroupSummary:
    return GroupSummary.model_validate(_group_fields(group, base_url))


def to_group(group: Group, members: list[Member], base_url: str, now: datetime) -> GroupView:
    files = [_member(member, base_url) if is_there(member.upload, now) else None for member in members]
    return GroupView.model_validate({**_group_fields(group, base_url), "files": files})


def _group_fields(group: Group, base_url: str) -> dict[str, Any]:
    group_id = f"{group.id}~{group.files_count}"
    return {
        "id": group_id,
        "datetime_created": timestamp(group.created_at),
        "files_count": group.files_count,
        "cdn_url": f"{base_url}/{group_id}/",
        "url": f"{base_url}/groups/{group_id}/",
    }


def _member(member: Member, base_url: str) -> MemberView:
    return MemberView.model_validate({**file_fields(member.upload, base_url), "default_effects": member.effects})


def to_hook(hook: Hook, signing_secret: str | None) -> HookView:
    return HookView(
        id=hook.id,
        project=project_number(hook.project_id),
        created=timestamp(hook.created_at),
        updated=timestamp(hook.updated_at),
        event=hook.event,
        target_url=hook.target_url,
        is_active=hook.is_active,
        signing_secret=signing_secret,
    )


def project_number(project_id: ProjectId) -> int:
    """The API numbers its projects; ours have a UUID, whose first 31 bits stand for it. Nobody finds a project by that."""
    return project_id.int >> 97


def group_id(text: str) -> tuple[UUID, int]:
    """`<uuid>~<files_count>`. Raises MissingError."""
    match = _GROUP_ID.fullmatch(text)
    found_id = to_uuid(match[1]) if match else None
    if match is None or found_id is None:
        raise MissingError
    return found_id, int(match[2])


def timestamp(at: datetime) -> str:
    """`2021-09-24T08:50:47.117629Z`"""
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
