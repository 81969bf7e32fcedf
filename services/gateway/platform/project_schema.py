"""What `/platform/v1/projects` takes and answers."""

from datetime import datetime
from typing import Annotated, Final, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from services.gateway.domain.project import Project, ProjectStatus

MAX_FILE_BYTES: Final = 5 * 2**40

MimeType = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9!#$&^_.+-]{0,99}/([a-z0-9][a-z0-9!#$&^_.+-]{0,99}|\*)$")]
Origin = Annotated[str, StringConstraints(pattern=r"^https?://[A-Za-z0-9.\-\[\]:]{1,200}$")]
MimeTypes = Annotated[list[MimeType], Field(max_length=100)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=200, strip_whitespace=True)]


class RateLimitBody(BaseModel):
    """A token bucket of `requests` that fills within `per_seconds`; all replicas share it."""

    model_config = ConfigDict(extra="forbid")

    requests: Annotated[int, Field(ge=1, le=1_000_000)]
    per_seconds: Annotated[float, Field(gt=0, le=86400)]


class ProjectChange(BaseModel):
    """What is not given stays as it is."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    name: Name | None = None
    signed_uploads: bool | None = None
    """Refuse uploads without a valid signature."""
    auto_store: bool | None = None
    """What `store=auto` means."""
    max_file_size_bytes: Annotated[int, Field(ge=1, le=MAX_FILE_BYTES)] | None = None
    rate_limit: RateLimitBody | None = None
    """null: none."""
    allowed_types: MimeTypes | None = None
    """MIME types (`image/png`, `image/*`) that alone are accepted; empty: all."""
    forbidden_types: MimeTypes | None = None
    allowed_origins: Annotated[list[Origin], Field(max_length=100)] | None = None
    """Origins of web pages that may upload; empty: any."""
    status: ProjectStatus | None = None

    @model_validator(mode="after")
    def _no_nulls(self) -> Self:
        for name in self.model_fields_set - {"rate_limit"}:
            if getattr(self, name) is None:
                raise ValueError(f"{name} must not be null")
        return self


class ProjectRequest(ProjectChange):
    """A new project; what is not given has a default."""

    name: Name
    tenant_id: UUID | None = None
    """Whose it is; the first tenant of the installation where it is not given."""


class ProjectView(BaseModel):
    model_config = ConfigDict(use_attribute_docstrings=True)

    id: UUID
    tenant_id: UUID
    name: str
    public_key: str
    signed_uploads: bool
    auto_store: bool
    max_file_size_bytes: int
    rate_limit: RateLimitBody | None
    allowed_types: list[str]
    forbidden_types: list[str]
    allowed_origins: list[str]
    status: ProjectStatus
    created_at: datetime
    updated_at: datetime


class ProjectCreated(ProjectView):
    secret_key: str
    """Shown this once."""


class ProjectPage(BaseModel):
    model_config = ConfigDict(use_attribute_docstrings=True)

    projects: list[ProjectView]
    """Newest first."""
    next_cursor: str | None
    """Ask again with `cursor` set to this for what is older; null: there is no more."""


class ProjectListQuery(BaseModel):
    limit: Annotated[int, Field(ge=1, le=100)] = 20
    cursor: Annotated[str, Field(max_length=120)] | None = None


def shown(project: Project) -> dict[str, object]:
    """The fields of a `ProjectView`."""
    limit = project.rate_limit
    return {
        **{name: getattr(project, name) for name in ProjectView.model_fields},
        "allowed_types": list(project.allowed_types),
        "forbidden_types": list(project.forbidden_types),
        "allowed_origins": list(project.allowed_origins),
        "rate_limit": RateLimitBody(requests=limit.requests, per_seconds=limit.per_seconds) if limit else None,
    }
