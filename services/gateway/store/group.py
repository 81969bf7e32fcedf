"""Groups of files of one project: immutable, each file with the image operations that were given for it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from contracts.ids import UploadId
from libs.postgres.database import Connection
from services.gateway.domain.page import Place, Window
from services.gateway.domain.project import ProjectId
from services.gateway.domain.upload import Upload
from services.gateway.store.listing import Listing
from services.gateway.store.upload import QUALIFIED_COLUMNS, upload_of

COLUMNS = "id, project_id, created_at, (SELECT count(*) FROM group_files WHERE group_id = groups.id) AS files_count"


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
        row = await self._connection.fetchrow(f"SELECT {COLUMNS} FROM groups WHERE id = $1", group_id)
        return Group(**row) if row else None

    async def page(self, project_id: ProjectId, window: Window) -> tuple[list[Group], Place | None]:
        """One more than the page has where there is more; and where the page before begins."""
        listing = Listing("groups", COLUMNS, "project_id = $1", (project_id,))
        rows = await listing.rows(self._connection, window)
        return [Group(**row) for row in rows], await listing.before(self._connection, window)

    async def delete(self, group_id: UUID) -> None:
        """Its files stay."""
        await self._connection.execute("DELETE FROM groups WHERE id = $1", group_id)

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


def _member(values: dict[str, Any]) -> Member:
    effects = str(values.pop("effects"))
    return Member(upload_of(values), effects)
