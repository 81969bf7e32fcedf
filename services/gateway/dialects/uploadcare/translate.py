"""From an admitted request to a registration."""

from datetime import datetime
from typing import Any, Final

from contracts.ids import UploadId
from services.gateway.deps import Deps
from services.gateway.dialects.uploadcare.metadata import metadata_of
from services.gateway.dialects.uploadcare.params import Params
from services.gateway.dialects.uploadcare.store_option import retention
from services.gateway.domain.project import Project
from services.gateway.domain.registration import Registration

DIALECT: Final = "uploadcare"


def to_registration(
    deps: Deps,
    project: Project,
    params: Params,
    upload_id: UploadId,
    *,
    url_expires_at: datetime,
    now: datetime,
    **about: Any,
) -> Registration:
    """`about`: the fields of Registration that depend on how the bytes come. Raises UploadcareError."""
    kept = retention(params, project, now, deps.limits.temporary)
    return Registration(
        id=upload_id,
        tenant_id=project.tenant_id,
        project_id=project.id,
        dialect=DIALECT,
        registered_at=now,
        url_expires_at=url_expires_at,
        deadline_at=deps.limits.put_deadline(url_expires_at, about.get("size_bytes")),
        file_expires_at=kept.file_expires_at,
        kept_at=kept.kept_at,
        allowed_types=project.allowed_types,
        forbidden_types=project.forbidden_types,
        metadata=metadata_of(params),
        transcode=False,
        **about,
    )


def max_file_bytes(deps: Deps, project: Project) -> int:
    return min(project.max_file_size_bytes, deps.limits.max_upload_bytes)
