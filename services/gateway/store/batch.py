"""Batches, which the MediaLab API calls upload ids, and the files of each."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime

from contracts.ids import UploadId
from libs.postgres.database import Connection
from services.gateway.domain.batch import Batch, BatchId
from services.gateway.domain.upload import Upload
from services.gateway.store.upload import QUALIFIED_COLUMNS, to_upload

COLUMNS = (
    "id", "tenant_id", "folder", "created_at", "expires_at", "max_file_bytes", "max_files", "max_total_bytes", "extensions",
    "transcode", "hides_response", "finishes_itself", "finished_at", "file_count", "total_bytes",
)  # fmt: skip
SELECT = f"SELECT {', '.join(COLUMNS)} FROM batches WHERE id = $1"
INSERT = f"""
    INSERT INTO batches ({", ".join(COLUMNS)}) VALUES ({", ".join(f"${n}" for n in range(1, len(COLUMNS) + 1))})
    ON CONFLICT (id) DO NOTHING
"""


class BatchStore:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def insert(self, batch: Batch) -> None:
        """Again is fine."""
        values = asdict(batch)
        await self._connection.execute(INSERT, *(values[column] for column in COLUMNS))

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
