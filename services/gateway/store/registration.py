"""Many registrations in one statement: the projection's rows and the outbox's, all or none of each."""

from collections.abc import Sequence
from datetime import datetime

import orjson

from contracts.envelope import EncodedEvent
from contracts.ids import TenantId, UploadId
from libs.outbox.unit_of_work import EVENTS_PER_ROW
from libs.postgres.database import Connection
from services.gateway.domain.registration import Registration

# Ordered by name, so that two of these statements that meet wait for each other instead of deadlocking. The staging key tells
# two registrations apart for which clients chose the same id.
INSERT = f"""
    WITH incoming AS (
        SELECT * FROM unnest(
            $1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::bool[], $7::bool[], $8::bigint[], $9::text[],
            $10::text[], $11::text[], $12::text[], $13::timestamptz[], $14::timestamptz[], $15::timestamptz[],
            $16::timestamptz[], $17::uuid[], $18::timestamptz[], $19::text[], $20::text[], $21::bytea[], $22::uuid[]
        ) AS row (id, tenant_id, dialect, folder, name, holds_name, temporary, declared_size_bytes, declared_content_type,
                  view, staging_key, object_key, created_at, url_expires_at, deadline_at, file_expires_at, project_id, kept_at,
                  metadata, multipart_id, saved_url_hash, fetch_token)
    ), inserted AS (
        INSERT INTO uploads (id, tenant_id, dialect, folder, name, holds_name, temporary, declared_size_bytes,
                             declared_content_type, view, staging_key, object_key, created_at, updated_at, url_expires_at,
                             deadline_at, file_expires_at, project_id, kept_at, metadata, multipart_id, saved_url_hash,
                             fetch_token)
        SELECT id, tenant_id, dialect, folder, name, holds_name, temporary, declared_size_bytes, declared_content_type,
               view::jsonb, staging_key, object_key, created_at, created_at, url_expires_at, deadline_at, file_expires_at,
               project_id, kept_at, metadata::jsonb, multipart_id, saved_url_hash, fetch_token
        FROM incoming ORDER BY tenant_id, folder, name
        ON CONFLICT DO NOTHING RETURNING staging_key
    ), announced AS (
        INSERT INTO outbox (event_ids, event_types, envelopes)
        SELECT array_agg(id ORDER BY place), array_agg(type ORDER BY place), array_agg(envelope ORDER BY place)
        FROM unnest($23::text[], $24::uuid[], $25::text[], $26::text[]) WITH ORDINALITY
            AS event (staging_key, id, type, envelope, place)
        JOIN inserted USING (staging_key)
        GROUP BY (place - 1) / {EVENTS_PER_ROW} ORDER BY (place - 1) / {EVENTS_PER_ROW}
    )
    SELECT staging_key FROM inserted
"""


class RegistrationStore:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def insert(self, batch: Sequence[tuple[Registration, Sequence[EncodedEvent]]]) -> set[str]:
        """Staging keys of those that are in now, with their events; the others' id or name was taken."""
        columns = zip(*(_values(new) for new, _ in batch), strict=True)
        events = [(new.staging_key, event.id, event.type, event.body) for new, events in batch for event in events]
        return {row["staging_key"] for row in await self._connection.fetch(INSERT, *columns, *zip(*events, strict=True))}

    async def is_registered(self, new: Registration) -> bool:
        """Exactly this one: where a client chose the id, another upload may have it."""
        found: bool = await self._connection.fetchval(
            "SELECT EXISTS (SELECT FROM uploads WHERE id = $1 AND staging_key = $2)", new.id, new.staging_key
        )
        return found

    async def find_expired(self, tenant_id: TenantId, folder: str, name: str, at: datetime) -> tuple[UploadId, str, str] | None:
        """Id, staging key and object key of the name's holder, where its URL was over before any bytes were noticed."""
        row = await self._connection.fetchrow(
            """
            SELECT id, staging_key, object_key FROM uploads
            WHERE tenant_id = $1 AND folder = $2 AND name = $3 AND holds_name
              AND state = 'REGISTERED' AND url_expires_at <= $4
            """,
            tenant_id,
            folder,
            name,
            at,
        )
        return (row["id"], row["staging_key"], row["object_key"]) if row else None

    async def release_name(self, upload_id: UploadId, at: datetime) -> bool:
        """Frees the name of a registration of which no bytes were noticed to this moment."""
        released: bool | None = await self._connection.fetchval(
            """
            UPDATE uploads SET holds_name = false, deleted_at = $2, updated_at = $2
            WHERE id = $1 AND holds_name AND state = 'REGISTERED' AND url_expires_at <= $2
            RETURNING true
            """,
            upload_id,
            at,
        )
        return released is not None


def _values(new: Registration) -> tuple[object, ...]:
    return (
        new.id, new.tenant_id, new.dialect, new.folder, new.name, new.holds_name, new.temporary, new.size_bytes,
        new.content_type, orjson.dumps(new.view).decode(), new.staging_key, new.object_key, new.registered_at,
        new.url_expires_at, new.deadline_at, new.file_expires_at, new.project_id, new.kept_at,
        orjson.dumps(new.metadata).decode(), new.multipart_id, new.source.saved_hash if new.source else None,
        new.source.token if new.source else None,
    )  # fmt: skip
