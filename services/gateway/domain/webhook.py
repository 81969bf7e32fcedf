"""Webhooks of projects: who is told what about a file, and when that is so."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID, uuid5

from services.gateway.domain.project import ProjectId
from services.gateway.domain.upload import Upload

_NAMESPACE: Final = UUID("3b0a2a55-0c55-5f0e-9d0c-6f1f7d0a9c42")


class News(StrEnum):
    UPLOADED = "file.uploaded"
    """The file is there and inspected."""
    STORED = "file.stored"
    DELETED = "file.deleted"
    """By its owner, or its retention ended."""
    INFECTED = "file.infected"
    INFO_UPDATED = "file.info_updated"
    """Its metadata changed."""


@dataclass(frozen=True)
class Hook:
    """One subscription: `event` of a project's files is told to `target_url`."""

    id: int
    project_id: ProjectId
    public_key: str
    """Of the project."""
    event: News
    target_url: str
    signing_secret_sealed: str | None = field(repr=False)
    is_active: bool
    created_at: datetime
    updated_at: datetime


def holds(news: News, upload: Upload) -> bool:
    """Whether that may be told of `upload` as it is now: nothing is before all that `file.uploaded` tells is known."""
    match news:
        case News.UPLOADED:
            return upload.inspected
        case News.STORED:
            return upload.inspected and upload.kept_at is not None
        case News.INFO_UPDATED:
            return upload.inspected
        case News.DELETED:
            return upload.removed
        case News.INFECTED:
            return upload.error_code == "infected"


def webhook_id(upload: Upload, hook: Hook, change: str) -> UUID:
    """The same for the same news about the same file to the same receiver. `change` tells apart what happens more than once."""
    return uuid5(_NAMESPACE, f"{upload.id}:{hook.id}:{hook.event}:{change}")
