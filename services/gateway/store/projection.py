"""What the events say about uploads. Every statement may run any number of times, in any order.

A fact is written by the one event that knows it. The state belongs to the newest event: it changes only when
(version, state) grows, so that the outcome does not depend on the order even between events of one version.
"""

from datetime import datetime
from typing import Any

import orjson

from contracts.events import DeliveryChanged
from contracts.ids import UploadId
from libs.postgres.database import Connection
from services.gateway.domain.project import ProjectId
from services.gateway.domain.timeline import TimelineEntry
from services.gateway.domain.upload import WITHOUT_FILE, State

INSERT_ENTRY = """
    INSERT INTO upload_events (upload_id, event_id, type, version, occurred_at, summary)
    VALUES ($1::uuid, $2, $3, $4::smallint, $5::timestamptz, $6) ON CONFLICT DO NOTHING
"""


def _entry_values(upload_id: UploadId, entry: TimelineEntry) -> tuple[Any, ...]:
    return upload_id, entry.event_id, entry.type, entry.version, entry.occurred_at, _json(entry.summary)


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()


class ProjectionStore:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def advance(
        self, upload_id: UploadId, entry: TimelineEntry, state: State, *, error: tuple[str, str] | None = None
    ) -> ProjectId | None:
        """A line of the timeline, and the state that it led to unless something newer is known.

        The upload's name is freed where the state has no file. Answers the upload's project where the state is this one now.
        """
        code, message = error or (None, None)
        project_id: ProjectId | None = await self._connection.fetchval(
            f"""
            WITH noted AS ({INSERT_ENTRY})
            UPDATE uploads SET version = $4, state = $7, updated_at = greatest(updated_at, $5),
                error_code = $8, error_message = $9, holds_name = holds_name AND NOT $10
            WHERE id = $1 AND (version, state) < ($4::smallint, $7::text)
            RETURNING project_id
            """,
            *_entry_values(upload_id, entry),
            state.value,
            code,
            message,
            state in WITHOUT_FILE,
        )
        return project_id

    async def stored(self, upload_id: UploadId, stored_at: datetime) -> None:
        await self._connection.execute(
            "UPDATE uploads SET stored_at = greatest(stored_at, $2) WHERE id = $1", upload_id, stored_at
        )

    async def completed(
        self, upload_id: UploadId, *, size_bytes: int, etag: str, content_type: str | None, completed_at: datetime
    ) -> tuple[bool, ProjectId | None]:
        """The verified file; whether its owner gave the upload up before this was known, and its project."""
        row = await self._connection.fetchrow(
            """
            UPDATE uploads SET size_bytes = $2, etag = $3, content_type = $4, completed_at = $5
            WHERE id = $1 RETURNING deleted_at IS NOT NULL AS given_up, project_id
            """,
            upload_id,
            size_bytes,
            etag,
            content_type,
            completed_at,
        )
        return (row["given_up"], row["project_id"]) if row else (False, None)

    async def inspected(
        self, upload_id: UploadId, mime_type: str, image: dict[str, Any] | None, media: dict[str, Any] | None
    ) -> ProjectId | None:
        """Answers the upload's project."""
        project_id: ProjectId | None = await self._connection.fetchval(
            "UPDATE uploads SET mime_type = $2, image = $3, media = $4 WHERE id = $1 RETURNING project_id",
            upload_id,
            mime_type,
            _json(image) if image else None,
            _json(media) if media else None,
        )
        return project_id

    async def progressed(self, upload_id: UploadId, percent: int) -> None:
        await self._connection.execute(
            "UPDATE uploads SET progress_percent = $2 WHERE id = $1 AND progress_percent < $2", upload_id, percent
        )

    async def fetching(self, upload_id: UploadId, done_bytes: int, total_bytes: int | None) -> None:
        """Steps may come in any order: the farthest counts."""
        await self._connection.execute(
            """
            UPDATE uploads SET fetched_bytes = $2, fetch_total_bytes = $3
            WHERE id = $1 AND coalesce(fetched_bytes, -1) < $2
            """,
            upload_id,
            done_bytes,
            total_bytes,
        )

    async def fetched(self, upload_id: UploadId, size_bytes: int, file_name: str | None, content_type: str | None) -> None:
        """What the source told; a name that was given with the request stays."""
        await self._connection.execute(
            """
            UPDATE uploads SET fetched_bytes = $2, fetch_total_bytes = $2, name = coalesce(name, $3), declared_content_type = $4
            WHERE id = $1
            """,
            upload_id,
            size_bytes,
            file_name,
            content_type,
        )

    async def renditions(self, upload_id: UploadId, renditions: list[dict[str, Any]]) -> None:
        await self._connection.execute("UPDATE uploads SET renditions = $2 WHERE id = $1", upload_id, _json(renditions))

    async def retention(self, upload_id: UploadId, revision: int, file_expires_at: datetime | None) -> None:
        await self._connection.execute(
            "UPDATE uploads SET retention_revision = $2, file_expires_at = $3 WHERE id = $1 AND retention_revision < $2",
            upload_id,
            revision,
            file_expires_at,
        )

    async def note(self, upload_id: UploadId, entry: TimelineEntry) -> None:
        """A line of the timeline."""
        await self._connection.execute(INSERT_ENTRY, *_entry_values(upload_id, entry))

    async def delivery(self, event: DeliveryChanged) -> None:
        """The newest step of a delivery: the one with the most attempts, and of these the one that was asked for last."""
        await self._connection.execute(
            """
            INSERT INTO deliveries AS known (delivery_id, upload_id, tenant_id, kind, target, status, attempts, response_status,
                                             error, next_attempt_at, changed_at, endpoint_id, event, replays)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
            ON CONFLICT (delivery_id) DO UPDATE SET
                status = excluded.status, attempts = excluded.attempts, response_status = excluded.response_status,
                error = excluded.error, next_attempt_at = excluded.next_attempt_at, changed_at = excluded.changed_at,
                replays = excluded.replays
            WHERE (known.attempts, known.replays) < (excluded.attempts, excluded.replays)
            """,
            event.delivery_id,
            event.upload_id,
            event.tenant_id,
            event.kind,
            event.target,
            event.status,
            event.attempts,
            event.response_status,
            event.error,
            event.next_attempt_at,
            event.changed_at,
            event.endpoint_id,
            event.event,
            event.replays,
        )
