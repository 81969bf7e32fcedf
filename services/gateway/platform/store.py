"""SQL that only the platform's own API needs."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from contracts.ids import TenantId, UploadId
from libs.postgres.database import Connection
from services.gateway.domain.upload import WITHOUT_FILE, State, Upload
from services.gateway.store.upload import COLUMNS, reached_by, to_upload


class ListingStore:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def newest(
        self,
        tenant_id: TenantId,
        *,
        states: Sequence[State] | None,
        given_up: bool,
        dialect: str | None,
        before: tuple[datetime, UUID] | None,
        limit: int,
    ) -> list[Upload]:
        """Uploads of the tenant, newest first, those before (created_at, id).

        `states` None: all. Otherwise an upload that its owner gave up before its end counts as `given_up`, not by its state.
        """
        created_at, upload_id = before or (None, None)
        rows = await self._connection.fetch(
            f"""
            SELECT {COLUMNS} FROM uploads
            WHERE tenant_id = $1
              AND ($2::timestamptz IS NULL OR (created_at, id) < ($2, $3::uuid))
              AND ($4::text IS NULL OR dialect = $4)
              AND ($5::text[] IS NULL OR CASE
                     WHEN deleted_at IS NULL OR state = ANY ($7::text[]) THEN state = ANY ($5) ELSE $6::bool END)
            ORDER BY created_at DESC, id DESC LIMIT $8
            """,
            tenant_id,
            created_at,
            upload_id,
            dialect,
            None if states is None else [state.value for state in states],
            given_up,
            sorted(WITHOUT_FILE),
            limit,
        )
        return [to_upload(row) for row in rows]

    async def version(self, tenant_id: TenantId, upload_id: UploadId) -> int | None:
        """The upload's version, as it is shown: cheap enough to ask again and again."""
        row = await self._connection.fetchrow(
            "SELECT state, version, completed_at, mime_type FROM uploads WHERE id = $1 AND tenant_id = $2", upload_id, tenant_id
        )
        return reached_by(dict(row))[1] if row else None
