"""Linked containers, and watch folders."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from contracts.ids import TenantId
from libs.postgres.database import Connection
from services.gateway.domain.container import ContainerId, LinkedContainer, WatchFolder, WatchFolderId

CONTAINER = "id, tenant_id, kind, name, place, settings_sealed, created_at"
WATCH_FOLDER = "id, tenant_id, kind, name, path, container_id, prefix, on_success, created_at"

Position = tuple[datetime, UUID]
"""`created_at` and id of the last one that was shown."""


class ContainerStore:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def insert(self, new: LinkedContainer) -> None:
        await self._connection.execute(
            f"INSERT INTO containers ({CONTAINER}) VALUES ($1, $2, $3, $4, $5, $6, $7)",
            new.id,
            new.tenant_id,
            new.kind,
            new.name,
            new.place,
            new.settings_sealed,
            new.created_at,
        )

    async def find(self, container_id: ContainerId) -> LinkedContainer | None:
        row = await self._connection.fetchrow(f"SELECT {CONTAINER} FROM containers WHERE id = $1", container_id)
        return LinkedContainer(**row) if row else None

    async def newest(self, tenant_id: TenantId | None, *, before: Position | None, limit: int) -> Sequence[LinkedContainer]:
        """Newest first, those before `before`; of all tenants where none is given."""
        created_at, container_id = before or (None, None)
        rows = await self._connection.fetch(
            f"""
            SELECT {CONTAINER} FROM containers
            WHERE ($1::uuid IS NULL OR tenant_id = $1) AND ($2::timestamptz IS NULL OR (created_at, id) < ($2, $3::uuid))
            ORDER BY created_at DESC, id DESC LIMIT $4
            """,
            tenant_id,
            created_at,
            container_id,
            limit,
        )
        return [LinkedContainer(**row) for row in rows]

    async def is_watched(self, container_id: ContainerId) -> bool:
        return bool(
            await self._connection.fetchval("SELECT EXISTS (SELECT FROM watch_folders WHERE container_id = $1)", container_id)
        )

    async def delete(self, container_id: ContainerId) -> bool:
        """False where there was none."""
        return await self._connection.execute("DELETE FROM containers WHERE id = $1", container_id) == "DELETE 1"


class WatchFolderStore:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def insert(self, new: WatchFolder) -> None:
        await self._connection.execute(
            f"INSERT INTO watch_folders ({WATCH_FOLDER}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
            new.id,
            new.tenant_id,
            new.kind,
            new.name,
            new.path,
            new.container_id,
            new.prefix,
            new.on_success,
            new.created_at,
        )

    async def has_overlapping(self, folder: WatchFolder, place: str) -> bool:
        """Whether one is watched that lies in this one, or this one in it. `place`: of its container, empty for a directory.

        Until the commit nobody else adds one.
        """
        await self._connection.execute("LOCK TABLE watch_folders IN SHARE ROW EXCLUSIVE MODE")
        found: bool = await self._connection.fetchval(
            """
            SELECT EXISTS (
                SELECT FROM watch_folders w LEFT JOIN containers c ON c.id = w.container_id
                CROSS JOIN LATERAL (SELECT coalesce(w.path || '/', w.prefix) AS below) AS its
                WHERE w.kind = $1 AND coalesce(c.place, '') = $2
                  AND (starts_with(its.below, $3) OR starts_with($3, its.below)))
            """,
            folder.kind,
            place,
            folder.prefix if folder.path is None else f"{folder.path}/",
        )
        return found

    async def find(self, watch_folder_id: WatchFolderId) -> WatchFolder | None:
        row = await self._connection.fetchrow(f"SELECT {WATCH_FOLDER} FROM watch_folders WHERE id = $1", watch_folder_id)
        return WatchFolder(**row) if row else None

    async def first_directory(self, tenant_id: TenantId) -> WatchFolder | None:
        """The tenant's oldest one."""
        row = await self._connection.fetchrow(
            f"""
            SELECT {WATCH_FOLDER} FROM watch_folders WHERE tenant_id = $1 AND kind = 'directory'
            ORDER BY created_at, id LIMIT 1
            """,
            tenant_id,
        )
        return WatchFolder(**row) if row else None

    async def newest(self, tenant_id: TenantId | None, *, before: Position | None, limit: int) -> Sequence[WatchFolder]:
        """Newest first, those before `before`; of all tenants where none is given."""
        created_at, watch_folder_id = before or (None, None)
        rows = await self._connection.fetch(
            f"""
            SELECT {WATCH_FOLDER} FROM watch_folders
            WHERE ($1::uuid IS NULL OR tenant_id = $1) AND ($2::timestamptz IS NULL OR (created_at, id) < ($2, $3::uuid))
            ORDER BY created_at DESC, id DESC LIMIT $4
            """,
            tenant_id,
            created_at,
            watch_folder_id,
            limit,
        )
        return [WatchFolder(**row) for row in rows]

    async def delete(self, watch_folder_id: WatchFolderId) -> WatchFolder | None:
        """What it was; None where there was none."""
        row = await self._connection.fetchrow(
            f"DELETE FROM watch_folders WHERE id = $1 RETURNING {WATCH_FOLDER}", watch_folder_id
        )
        return WatchFolder(**row) if row else None
