"""Batches, which the MediaLab API calls upload ids, and the files of each."""

import json
from collections.abc import Sequence
from datetime import datetime

from contracts.ids import UploadId
from libs.postgres.database import Connection
from services.gateway.domain.batch import Batch, BatchId, NewBatch
from services.gateway.domain.upload import Upload
from services.gateway.store.numbered_folder import ROOT
from services.gateway.store.upload import QUALIFIED_COLUMNS, to_upload

COLUMNS = (
    "id", "tenant_id", "folder", "created_at", "expires_at", "max_file_bytes", "max_files", "max_total_bytes", "extensions",
    "transcode", "hides_response", "finishes_itself", "finished_at", "file_count", "total_bytes",
)  # fmt: skip
SELECT = f"SELECT {', '.join(COLUMNS)} FROM batches WHERE id = $1"
# A batch that is there already is answered, too. Lists of lists are no arrays: the extensions come as JSON.
INSERT = f"""
    INSERT INTO batches AS known (
        id, tenant_id, folder, created_at, expires_at, max_file_bytes, max_files, max_total_bytes, extensions, transcode,
        hides_response, finishes_itself
    )
    SELECT new.id, new.tenant_id, coalesce(f.path, ''), new.created_at, new.expires_at, new.max_file_bytes, new.max_files,
           new.max_total_bytes, ARRAY(SELECT json_array_elements_text(new.extensions::json)), new.transcode,
           new.hides_response, new.finishes_itself
    FROM unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::timestamptz[], $5::timestamptz[], $6::bigint[], $7::bigint[],
                $8::bigint[], $9::text[], $10::bool[], $11::bool[], $12::bool[])
        AS new (id, tenant_id, folder_number, created_at, expires_at, max_file_bytes, max_files, max_total_bytes, extensions,
                transcode, hides_response, finishes_itself)
    LEFT JOIN folders f ON f.number = new.folder_number AND f.tenant_id = new.tenant_id
    WHERE new.folder_number = {ROOT} OR f.number IS NOT NULL
    ON CONFLICT (id) DO UPDATE SET id = known.id
    RETURNING id
"""


def _values(new: NewBatch) -> tuple[object, ...]:
    return (
        new.id, new.tenant_id, new.folder_number, new.created_at, new.expires_at, new.max_file_bytes, new.max_files,
        new.max_total_bytes, json.dumps(new.extensions), new.transcode, new.hides_response, new.finishes_itself,
    )  # fmt: skip


class BatchStore:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def insert(self, batches: Sequence[NewBatch]) -> set[BatchId]:
        """Again is fine. Answers those that are there now; there is no such folder for the others."""
        rows = await self._connection.fetch(INSERT, *zip(*map(_values, batches), strict=True))
        return {row["id"] for row in rows}

    async def find(self, batch_id: BatchId, *, lock: bool = False) -> Batch | None:
        """`lock`: whoever else wants it waits until the commit, so that its limits hold exactly."""
        row = await self._connection.fetchrow(SELECT + (" FOR UPDATE" if lock else ""), batch_id)
        return Batch(**row) if row else None

    async def add_files(self, before: Batch, after: Batch, upload_ids: Sequence[UploadId]) -> None:
        """`before` is locked, `after` counts the files."""
        await self._connection.execute(
            "UPDATE batches SET file_count = $2, total_bytes = $3, finished_at = $4 WHERE id = $1",
            after.id,
            after.file_count,
            after.total_bytes,
            after.finished_at,
        )
        await self._connection.execute(
            """
            INSERT INTO batch_files (batch_id, position, upload_id)
            SELECT $1, $2 + file.position, file.upload_id
            FROM unnest($3::uuid[]) WITH ORDINALITY AS file (upload_id, position)
            """,
            after.id,
            before.file_count,
            upload_ids,
        )

    async def finish(self, batch_id: BatchId, at: datetime) -> None:
        """From the first time on."""
        await self._connection.execute(
            "UPDATE batches SET finished_at = $2 WHERE id = $1 AND finished_at IS NULL", batch_id, at
        )

    async def forget(self, before: datetime, limit: int) -> int:
        """Deletes those that expired before then, at most `limit`; answers how many."""
        status = await self._connection.execute(
            "DELETE FROM batches WHERE id = ANY (ARRAY(SELECT id FROM batches WHERE expires_at < $1 LIMIT $2))", before, limit
        )
        return int(status.split()[-1])

    async def files(self, batch_id: BatchId) -> list[Upload]:
        """As they came."""
        rows = await self._connection.fetch(
            f"""
            SELECT {QUALIFIED_COLUMNS} FROM batch_files f JOIN uploads u ON u.id = f.upload_id
            WHERE f.batch_id = $1 ORDER BY f.position
            """,
            batch_id,
        )
        return [to_upload(row) for row in rows]
