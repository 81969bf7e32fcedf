"""What the events say about uploads. Every statement may run any number of times, in any order.

The state belongs to the newest event: it changes only when (version, state) grows, so that the outcome does not depend on the
order even between events of one version.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from contracts.events import DeliveryChanged
from contracts.ids import UploadId
from libs.postgres.database import Connection
from services.gateway.domain.project import ProjectId
from services.gateway.domain.projection import UploadChange
from services.gateway.domain.timeline import TimelineEntry
from services.gateway.domain.upload import State

NOTE = """
    INSERT INTO upload_events (upload_id, event_id, type, version, occurred_at, summary)
    SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::smallint[], $5::timestamptz[], $6::jsonb[])
    ON CONFLICT DO NOTHING
"""

_CHANGE = {
    "id": "uuid", "version": "smallint", "state": "text", "occurred_at": "timestamptz", "error_code": "text",
    "error_message": "text", "frees_name": "boolean", "stored_at": "timestamptz", "size_bytes": "bigint", "etag": "text",
    "content_type": "text", "completed_at": "timestamptz", "mime_type": "text", "image": "jsonb", "media": "jsonb",
    "renditions": "jsonb", "progress_percent": "smallint", "fetched_bytes": "bigint", "fetch_total_bytes": "bigint",
    "is_fetched": "boolean", "fetched_name": "text", "fetched_type": "text", "retention_revision": "integer",
    "file_expires_at": "timestamptz", "stream_playlist": "text",
}  # fmt: skip
"""The columns of a change, in order of the statement's parameters, with their types."""

# `newer` is null where nothing is said of the state. The rows are locked in the order in which everybody locks them.
CHANGE = f"""
    WITH locked AS MATERIALIZED (
        SELECT id, version, state, retention_revision, fetched_bytes FROM uploads WHERE id = ANY ($1) ORDER BY id FOR UPDATE
    ), said AS (
        SELECT x.*, coalesce((l.version, l.state) < (x.version, x.state), false) AS newer,
               coalesce(l.retention_revision < x.retention_revision, false) AS retained,
               coalesce(x.is_fetched OR coalesce(l.fetched_bytes, -1) < x.fetched_bytes, false) AS fetched
        FROM locked l
        JOIN unnest({", ".join(f"${number}::{kind}[]" for number, kind in enumerate(_CHANGE.values(), 1))})
            AS x ({", ".join(_CHANGE)}) USING (id)
    )
    UPDATE uploads u SET
        version = CASE WHEN x.newer THEN x.version ELSE u.version END,
        state = CASE WHEN x.newer THEN x.state ELSE u.state END,
        updated_at = CASE WHEN x.newer THEN greatest(u.updated_at, x.occurred_at) ELSE u.updated_at END,
        error_code = CASE WHEN x.newer THEN x.error_code ELSE u.error_code END,
        error_message = CASE WHEN x.newer THEN x.error_message ELSE u.error_message END,
        holds_name = u.holds_name AND NOT (x.newer AND x.frees_name),
        stored_at = greatest(u.stored_at, x.stored_at),
        size_bytes = coalesce(x.size_bytes, u.size_bytes),
        etag = coalesce(x.etag, u.etag),
        content_type = CASE WHEN x.completed_at IS NULL THEN u.content_type ELSE x.content_type END,
        completed_at = coalesce(x.completed_at, u.completed_at),
        mime_type = coalesce(x.mime_type, u.mime_type),
        image = CASE WHEN x.mime_type IS NULL THEN u.image ELSE x.image END,
        media = CASE WHEN x.mime_type IS NULL THEN u.media ELSE x.media END,
        renditions = coalesce(x.renditions, u.renditions),
        progress_percent = greatest(u.progress_percent, x.progress_percent),
        fetched_bytes = CASE WHEN x.fetched THEN x.fetched_bytes ELSE u.fetched_bytes END,
        fetch_total_bytes = CASE WHEN x.fetched THEN x.fetch_total_bytes ELSE u.fetch_total_bytes END,
        name = coalesce(u.name, x.fetched_name),
        declared_content_type = CASE WHEN x.is_fetched THEN x.fetched_type ELSE u.declared_content_type END,
        retention_revision = CASE WHEN x.retained THEN x.retention_revision ELSE u.retention_revision END,
        file_expires_at = CASE WHEN x.retained THEN x.file_expires_at ELSE u.file_expires_at END,
        stream_playlist = coalesce(x.stream_playlist, u.stream_playlist)
    FROM said x WHERE u.id = x.id
    RETURNING u.id, u.project_id, u.version, u.state, u.deleted_at IS NOT NULL AS is_given_up
"""

DELIVERIES = """
    INSERT INTO deliveries AS known (delivery_id, upload_id, tenant_id, kind, target, status, attempts, response_status,
                                     error, next_attempt_at, changed_at, endpoint_id, event, replays)
    SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::int[], $8::int[],
                         $9::text[], $10::timestamptz[], $11::timestamptz[], $12::uuid[], $13::text[], $14::int[])
    ON CONFLICT (delivery_id) DO UPDATE SET
        status = excluded.status, attempts = excluded.attempts, response_status = excluded.response_status,
        error = excluded.error, next_attempt_at = excluded.next_attempt_at, changed_at = excluded.changed_at,
        replays = excluded.replays
    WHERE (known.attempts, known.replays) < (excluded.attempts, excluded.replays)
"""


@dataclass(frozen=True)
class Projected:
    """How an upload stands after a change."""

    project_id: ProjectId | None
    version: int
    state: State
    is_given_up: bool
    """Its owner gave it up before this was known."""


class ProjectionStore:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def change(self, changes: Sequence[UploadChange]) -> Mapping[UploadId, Projected]:
        """Writes each upload once; those that are known, as they are now. A name is freed where the state has no file."""
        ordered = sorted(changes, key=lambda change: change.upload_id)
        rows = await self._connection.fetch(CHANGE, *zip(*map(_values, ordered), strict=True)) if ordered else []
        return {
            row["id"]: Projected(row["project_id"], row["version"], State(row["state"]), row["is_given_up"]) for row in rows
        }

    async def note(self, entries: Sequence[tuple[UploadId, TimelineEntry]]) -> None:
        """Lines of timelines; one that is there already stays as it is."""
        if entries:
            lines = sorted(
                (upload_id, line.event_id, line.type, line.version, line.occurred_at, _json(line.summary))
                for upload_id, line in entries
            )
            await self._connection.execute(NOTE, *zip(*lines, strict=True))

    async def deliveries(self, events: Sequence[DeliveryChanged]) -> None:
        """The newest step of each delivery: the one with the most attempts, and of these the one that was asked for last."""
        newest: dict[Any, DeliveryChanged] = {}
        for event in sorted(events, key=lambda event: (event.delivery_id, event.attempts, event.replays)):
            newest[event.delivery_id] = event
        if newest:
            rows = [
                (
                    event.delivery_id, event.upload_id, event.tenant_id, event.kind, event.target, event.status, event.attempts,
                    event.response_status, event.error, event.next_attempt_at, event.changed_at, event.endpoint_id, event.event,
                    event.replays,
                )
                for event in newest.values()
            ]  # fmt: skip
            await self._connection.execute(DELIVERIES, *zip(*rows, strict=True))


def _values(change: UploadChange) -> tuple[object, ...]:
    """In the order of `_CHANGE`."""
    advance, file, inspection, fetch, retention = (
        change.advance, change.file, change.inspection, change.fetch, change.retention
    )  # fmt: skip
    return (
        change.upload_id,
        *((advance.version, advance.state.value, advance.occurred_at, advance.error_code, advance.error_message,
           advance.frees_name) if advance else (None,) * 6),
        change.stored_at,
        *((file.size_bytes, file.etag, file.content_type, file.completed_at) if file else (None,) * 4),
        *((inspection.mime_type, _json(inspection.image), _json(inspection.media)) if inspection else (None,) * 3),
        _json(change.renditions),
        change.progress_percent,
        *((fetch.done_bytes, fetch.total_bytes, fetch.is_last, fetch.file_name, fetch.content_type) if fetch else (None,) * 5),
        *((retention.revision, retention.file_expires_at) if retention else (None,) * 2),
        change.stream_playlist,
    )  # fmt: skip


def _json(value: Any) -> str | None:
    return None if value is None else orjson.dumps(value).decode()
