"""Groups of files of one project: immutable, each file with the image operations that were given for it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from contracts.ids import UploadId
from libs.postgres.database import Connection
from services.gateway.domain.project import ProjectId
from services.gateway.domain.upload import Upload
from services.gateway.store.upload import QUALIFIED_COLUMNS, upload_of


@dataclass(frozen=True)
class Group:
    id: UUID
    project_id: ProjectId
    created_at: datetime
    files_count: int


@dataclass(frozen=True)
class Member:
    """A file of a group, removed or not."""

    upload: Upload
    effects: str
    """Image operations as given, e.g. `resize/x800/`; empty: none."""


class GroupStore:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def insert(self, group: Group, files: Sequence[tuple[UploadId, str]]) -> None:
        """With its files (id, effects) in their order."""
        await self._connection.execute(
            """
            WITH created AS (
                INSERT INTO groups (id, project_id, created_at) VALUES ($1::uuid, $2, $3)
            )
            INSERT INTO group_files (group_id, position, upload_id, effects)
            SELECT $1::uuid, position - 1, upload_id, effects
            FROM unnest($4::uuid[], $5::text[]) WITH ORDINALITY AS file (upload_id, effects, position)
            """,
            group.id,
            group.project_id,
            group.created_at,
            [upload_id for upload_id, _ in files],
            [effects for _, effects in files],
        )

    async def find(self, group_id: UUID) -> Group | None:
        """Whatever its project."""
        row = await self._connection.fetchrow(
            """
            SELECT id, project_id, created_at, (SELECT count(*) FROM group_files WHERE group_id = g.id) AS files_count
            FROM groups g WHERE id = $1
            """,
            group_id,
        )
        return Group(**row) if row else None

    async def members(self, group_id: UUID) -> list[Member]:
        """In order; those whose file is gone too."""
        rows = await self._connection.fetch(
            f"""
            SELECT {QUALIFIED_COLUMNS}, f.effects FROM group_files f JOIN uploads u ON u.id = f.upload_id
            WHERE f.group_id = $1 ORDER BY f.position
            """,
            group_id,
        )
        return [_member(dict(row)) for row in rows]

    async def member(self, group_id: UUID, index: int) -> Member | None:
        """The file at `index`, counted from 0; None where the group or the place is not there."""
        if not 0 <= index < 2**15:
            return None
        row = await self._connection.fetchrow(
            f"""
            SELECT {QUALIFIED_COLUMNS}, f.effects FROM group_files f JOIN uploads u ON u.id = f.upload_id
            WHERE f.group_id = $1 AND f.position = $2
            """,
            group_id,
            index,
        )
        return _member(dict(row)) if row else None


def _member(values: dict[str, Any]) -> Member:
    effects = str(values.pop("effects"))
    return Member(upload_of(values), effects)
