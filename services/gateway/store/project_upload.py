"""Uploads as a project sees them: only its own."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import orjson

from contracts.events import Stage
from contracts.ids import UploadId
from libs.postgres.database import Connection
from services.gateway.domain.project import ProjectId
from services.gateway.domain.upload import Upload
from services.gateway.store.upload import COLUMNS, to_upload


class ProjectUploadStore:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def find(self, project_id: ProjectId, upload_id: UploadId, *, lock: bool = False) -> Upload | None:
        """`lock` keeps it until the commit."""
        row = await self._connection.fetchrow(
            f"SELECT {COLUMNS} FROM uploads WHERE id = $1 AND project_id = $2" + (" FOR UPDATE" if lock else ""),
            upload_id,
            project_id,
        )
        return to_upload(row) if row else None

    async def find_all(
        self, project_id: ProjectId, upload_ids: Sequence[UploadId], *, lock: bool = False
    ) -> dict[UploadId, Upload]:
        """Those that are the project's; `lock` keeps them until the commit."""
        rows = await self._connection.fetch(
            f"SELECT {COLUMNS} FROM uploads WHERE id = ANY ($1) AND project_id = $2"
            + (" ORDER BY id FOR UPDATE" if lock else ""),
            list(upload_ids),
            project_id,
        )
        return {upload.id: upload for upload in map(to_upload, rows)}

    async def find_by_fetch_token(self, token: UUID) -> Upload | None:
        row = await self._connection.fetchrow(f"SELECT {COLUMNS} FROM uploads WHERE fetch_token = $1", token)
        return to_upload(row) if row else None

    async def find_saved(self, project_id: ProjectId, url_hash: bytes, at: datetime) -> Upload | None:
        """The newest file of this source that is there and was to be remembered."""
        row = await self._connection.fetchrow(
            f"""
            SELECT {COLUMNS} FROM uploads
            WHERE project_id = $1 AND saved_url_hash = $2 AND completed_at IS NOT NULL AND deleted_at IS NULL
              AND state NOT IN ('FILE_EXPIRED', 'DELETED') AND (file_expires_at IS NULL OR file_expires_at > $3)
            ORDER BY created_at DESC LIMIT 1
            """,
            project_id,
            url_hash,
            at,
        )
        return to_upload(row) if row else None

    async def exists(self, upload_id: UploadId) -> bool:
        """Anybody's."""
        return bool(await self._connection.fetchval("SELECT EXISTS (SELECT FROM uploads WHERE id = $1)", upload_id))

    async def finish(self, upload_id: UploadId, at: datetime) -> None:
        """Its client said that it sent every part."""
        await self._connection.execute(
            "UPDATE uploads SET finished_at = $2, updated_at = greatest(updated_at, $2) WHERE id = $1", upload_id, at
        )

    async def keep(self, upload_id: UploadId, at: datetime) -> Upload:
        """For good from now on. The upload is locked."""
        row = await self._connection.fetchrow(
            f"""
            UPDATE uploads
            SET kept_at = $2, file_expires_at = NULL, retention_revision = retention_revision + 1, updated_at = $2
            WHERE id = $1 RETURNING {COLUMNS}
            """,
            upload_id,
            at,
        )
        assert row is not None
        return to_upload(row)

    async def describe(self, upload_id: UploadId, metadata: dict[str, str], at: datetime) -> Upload:
        """All of its metadata anew. The upload is locked."""
        row = await self._connection.fetchrow(
            f"UPDATE uploads SET metadata = $2, updated_at = $3 WHERE id = $1 RETURNING {COLUMNS}",
            upload_id,
            orjson.dumps(metadata).decode(),
            at,
        )
        assert row is not None
        return to_upload(row)

    async def open_ids(self, upload_ids: Sequence[UploadId]) -> set[UploadId]:
        """Those of which nobody has said yet whether they are accepted."""
        rows = await self._connection.fetch(
            "SELECT id FROM uploads WHERE id = ANY ($1) AND version < $2", list(upload_ids), Stage.CLOSED
        )
        return {row["id"] for row in rows}
