"""What is kept of uploads that are over: timelines, by the day of the registration, and uploads that have no file any more."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID

from contracts.ids import UploadId, first_id_of
from libs.postgres.database import Connection
from libs.postgres.partition import DailyPartitions
from services.gateway.domain.upload import WITHOUT_FILE


def begin_of(day: date) -> str:
    """The literal of the first id of a day."""
    return f"'{first_id_of(datetime.combine(day, time(), UTC))}'"


TIMELINES = DailyPartitions("upload_events", "upload_id", begin_of)

# Rows are walked in the order of their ids: an index on what changes would cost every upload more than this.
STEP = """
    SELECT id, state = ANY ($3::text[]) AND updated_at < now() - $4::interval
        AND NOT EXISTS (SELECT FROM group_files WHERE upload_id = uploads.id)
        AND NOT EXISTS (SELECT FROM publications WHERE upload_id = uploads.id AND status NOT IN ('published', 'failed'))
        AS is_over
    FROM uploads WHERE id > $1 ORDER BY id LIMIT $2
"""
# Of what hangs on an upload nothing is left; attempts go with their deliveries.
PURGE = """
    WITH free AS MATERIALIZED (
             SELECT id FROM uploads WHERE id = ANY ($1::uuid[]) AND state = ANY ($2::text[]) ORDER BY id FOR UPDATE SKIP LOCKED
         ),
         gone AS (DELETE FROM uploads WHERE id IN (SELECT id FROM free) RETURNING id),
         timelines AS (DELETE FROM upload_events WHERE upload_id IN (SELECT id FROM gone)),
         deliveries AS (DELETE FROM deliveries WHERE upload_id IN (SELECT id FROM gone)),
         publications AS (DELETE FROM publications WHERE upload_id IN (SELECT id FROM gone)),
         submissions AS (DELETE FROM submissions WHERE upload_id IN (SELECT id FROM gone))
    SELECT count(*) FROM gone
"""
_WITHOUT_FILE = [state.value for state in WITHOUT_FILE]


class HistoryStore:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def step(self, after: UUID, limit: int, keep: timedelta) -> tuple[UUID | None, Sequence[UploadId]]:
        """Looks at the next `limit` uploads: those that were over for longer than `keep`, and the last one; None at the end."""
        rows = await self._connection.fetch(STEP, after, limit, _WITHOUT_FILE, keep)
        return rows[-1]["id"] if len(rows) == limit else None, [row["id"] for row in rows if row["is_over"]]

    async def purge(self, upload_ids: Sequence[UploadId]) -> int:
        """Deletes them; answers how many."""
        purged: int = await self._connection.fetchval(PURGE, upload_ids, _WITHOUT_FILE)
        return purged
