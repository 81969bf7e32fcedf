"""Files of a project: found, listed, kept, described."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import orjson

from contracts.ids import UploadId
from libs.postgres.database import Connection
from services.gateway.domain.page import Place, Window
from services.gateway.domain.project import ProjectId
from services.gateway.domain.upload import Upload
from services.gateway.store.listing import Listing
from services.gateway.store.upload import COLUMNS, to_upload

REMOVED: Final = "(deleted_at IS NOT NULL OR state IN ('DELETED', 'FILE_EXPIRED'))"


@dataclass(frozen=True)
class Totals:
    removed: int
    stored: int
    unstored: int


class ProjectFileStore:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def find(
        self, project_id: ProjectId, upload_ids: Sequence[UploadId], *, lock: bool = False
    ) -> dict[UploadId, Upload]:
        """Those of them that the project has, in whatever state; `lock` keeps them until the commit."""
        rows = await self._connection.fetch(
            f"SELECT {COLUMNS} FROM uploads WHERE project_id = $1 AND id = ANY ($2) ORDER BY id"
            + (" FOR UPDATE" if lock else ""),
            project_id,
            list(upload_ids),
        )
        return {upload.id: upload for upload in map(to_upload, rows)}

    async def page(
        self, project_id: ProjectId, window: Window, *, removed: bool, stored: bool | None
    ) -> tuple[list[Upload], Place | None]:
        """Verified files, one more than the page has where there is more; and where the page before begins."""
        listing = _listing(project_id, removed=removed, stored=stored)
        rows = await listing.rows(self._connection, window)
        return [to_upload(row) for row in rows], await listing.before(self._connection, window)

    async def totals(self, project_id: ProjectId) -> Totals:
        row = await self._connection.fetchrow(
            f"""
            SELECT count(*) FILTER (WHERE {REMOVED}) AS removed,
                   count(*) FILTER (WHERE NOT {REMOVED} AND kept_at IS NOT NULL) AS stored,
                   count(*) FILTER (WHERE NOT {REMOVED} AND kept_at IS NULL) AS unstored
            FROM uploads WHERE project_id = $1 AND completed_at IS NOT NULL
            """,
            project_id,
        )
        assert row is not None
        return Totals(**row)

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


def _listing(project_id: ProjectId, *, removed: bool, stored: bool | None) -> Listing:
    conditions = ["project_id = $1", "completed_at IS NOT NULL", REMOVED if removed else f"NOT {REMOVED}"]
    if stored is not None:
        kept = f"kept_at IS NOT NULL AND NOT {REMOVED}"
        conditions.append(kept if stored else f"NOT ({kept})")
    return Listing("uploads", COLUMNS, " AND ".join(conditions), (project_id,))
