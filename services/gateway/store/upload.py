"""Uploads: found, listed, given up, moved. `registration.py` inserts them, `projection.py` follows the events."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import asyncpg
import orjson

from contracts.ids import TenantId, UploadId
from libs.postgres.database import Connection
from services.gateway.domain.timeline import DeliveryView, TimelineEntry
from services.gateway.domain.upload import State, Upload, reached

COLUMNS = """
    id, tenant_id, dialect, state, version, folder, name, temporary, declared_size_bytes, declared_content_type, view,
    staging_key, object_key, size_bytes, etag, content_type, mime_type, image, media, renditions, progress_percent,
    error_code, error_message, url_expires_at, deadline_at, file_expires_at, retention_revision, created_at, updated_at,
    stored_at, completed_at, deleted_at, project_id, kept_at, metadata, multipart_id, fetched_bytes, fetch_total_bytes,
    fetch_token, finished_at, stream_playlist
"""
QUALIFIED_COLUMNS = ", ".join(f"u.{column.strip()}" for column in COLUMNS.split(","))

_JSON_COLUMNS = ("view", "image", "media", "renditions", "metadata")


def to_upload(record: asyncpg.Record) -> Upload:
    return upload_of(dict(record))


def upload_of(values: dict[str, Any]) -> Upload:
    """Of exactly `COLUMNS`."""
    for column in _JSON_COLUMNS:
        if values[column] is not None:
            values[column] = orjson.loads(values[column])
    values["state"], values["version"] = reached_by(values)
    return Upload(**values)


def reached_by(row: Mapping[str, Any]) -> tuple[State, int]:
    """`domain.upload.reached`, of a row's `state`, `version`, `completed_at` and `mime_type`."""
    return reached(
        State(row["state"]), row["version"], verified=row["completed_at"] is not None, inspected=row["mime_type"] is not None
    )


class UploadStore:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def find(self, upload_id: UploadId) -> Upload | None:
        """Whoever it belongs to."""
        row = await self._connection.fetchrow(f"SELECT {COLUMNS} FROM uploads WHERE id = $1", upload_id)
        return to_upload(row) if row else None

    async def find_all(self, upload_ids: Sequence[UploadId]) -> dict[UploadId, Upload]:
        """Those that are there, by id."""
        if not upload_ids:
            return {}
        rows = await self._connection.fetch(f"SELECT {COLUMNS} FROM uploads WHERE id = ANY ($1)", list(upload_ids))
        return {row["id"]: to_upload(row) for row in rows}

    async def find_of_tenant(
        self, tenant_id: TenantId, upload_id: UploadId, *, dialect: str | None = None, lock: bool = False
    ) -> Upload | None:
        """The tenant's own upload, registered through `dialect` where that is given; `lock` keeps it until the commit."""
        row = await self._connection.fetchrow(
            f"SELECT {COLUMNS} FROM uploads WHERE id = $1 AND tenant_id = $2 AND ($3::text IS NULL OR dialect = $3)"
            + (" FOR UPDATE" if lock else ""),
            upload_id,
            tenant_id,
            dialect,
        )
        return to_upload(row) if row else None

    async def find_by_name(self, tenant_id: TenantId, folder: str, name: str, *, lock: bool = False) -> Upload | None:
        """The live file of that name."""
        row = await self._connection.fetchrow(
            f"SELECT {COLUMNS} FROM uploads WHERE tenant_id = $1 AND folder = $2 AND name = $3 AND holds_name"
            + (" FOR UPDATE" if lock else ""),
            tenant_id,
            folder,
            name,
        )
        return to_upload(row) if row else None

    async def list_folder(self, tenant_id: TenantId, folder: str, *, kind: str | None, after: str, limit: int) -> list[Upload]:
        """Live files of one folder by name, those after the name `after`; `kind`: image, video, audio or other."""
        rows = await self._connection.fetch(
            f"""
            SELECT {COLUMNS} FROM uploads
            WHERE tenant_id = $1 AND folder = $2 AND holds_name AND name > $4
              AND ($3::text IS NULL OR $3 = CASE WHEN split_part(declared_content_type, '/', 1) IN ('image', 'video', 'audio')
                                                 THEN split_part(declared_content_type, '/', 1) ELSE 'other' END)
            ORDER BY name LIMIT $5
            """,
            tenant_id,
            folder,
            kind,
            after,
            limit,
        )
        return [to_upload(row) for row in rows]

    async def give_up(self, upload_id: UploadId, at: datetime) -> None:
        """From now on it is unreadable and its name is free."""
        await self._connection.execute(
            "UPDATE uploads SET deleted_at = $2, holds_name = false, updated_at = $2 WHERE id = $1 AND deleted_at IS NULL",
            upload_id,
            at,
        )

    async def move(
        self, upload_id: UploadId, *, folder: str, temporary: bool, file_expires_at: datetime | None, at: datetime
    ) -> int | None:
        """Puts the file elsewhere; the revision of its retention, or None when the name is taken there."""
        try:
            async with self._connection.transaction():
                revision: int = await self._connection.fetchval(
                    """
                    UPDATE uploads SET folder = $2, temporary = $3, file_expires_at = $4, updated_at = $5,
                        retention_revision = retention_revision + (file_expires_at IS DISTINCT FROM $4)::int
                    WHERE id = $1 RETURNING retention_revision
                    """,
                    upload_id,
                    folder,
                    temporary,
                    file_expires_at,
                    at,
                )
        except asyncpg.UniqueViolationError:
            return None
        return revision

    async def timeline(self, upload_id: UploadId) -> list[TimelineEntry]:
        rows = await self._connection.fetch(
            """
            SELECT event_id, type, version, occurred_at, summary FROM upload_events
            WHERE upload_id = $1 ORDER BY version, occurred_at, event_id
            """,
            upload_id,
        )
        return [TimelineEntry(**{**row, "summary": orjson.loads(row["summary"])}) for row in rows]

    async def deliveries(self, upload_id: UploadId) -> list[DeliveryView]:
        rows = await self._connection.fetch(
            """
            SELECT delivery_id, upload_id, kind, target, status, attempts, response_status, error, next_attempt_at, changed_at
            FROM deliveries WHERE upload_id = $1 ORDER BY changed_at, delivery_id
            """,
            upload_id,
        )
        return [DeliveryView(**row) for row in rows]
