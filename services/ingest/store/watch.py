"""Watch folders and the files that were found in them, one method per statement."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from contracts.events import WatchFolderConfigured
from contracts.ids import UploadId
from libs.postgres.database import Connection
from services.ingest.domain.watch import Cleared, Sighting, WatchedFile, WatchFolder

FOLDER = "id, tenant_id, kind, on_success, settings_sealed"


@dataclass(frozen=True)
class WatchStore:
    connection: Connection

    # ------------------------------------------------------------ folders

    async def configure(self, event: WatchFolderConfigured) -> None:
        """The newest revision counts. How a removed folder was reached stays known: files of it may be on their way."""
        await self.connection.execute(
            """
            INSERT INTO watch_folders AS f (id, tenant_id, revision, kind, on_success, settings_sealed, removed)
            VALUES ($1, $2, $3, $4, $5, $6, $7)
            ON CONFLICT (id) DO UPDATE SET
                revision = greatest(f.revision, excluded.revision), removed = f.removed OR excluded.removed,
                kind = excluded.kind,
                on_success = CASE WHEN excluded.revision > f.revision AND NOT excluded.removed
                                  THEN excluded.on_success ELSE f.on_success END,
                settings_sealed = CASE WHEN (excluded.revision > f.revision OR f.removed) AND NOT excluded.removed
                                       THEN excluded.settings_sealed ELSE f.settings_sealed END
            """,
            event.watch_folder_id,
            event.tenant_id,
            event.revision,
            event.kind,
            event.on_success,
            event.settings_encrypted,
            event.removed,
        )

    async def folders(self) -> Sequence[WatchFolder]:
        """Those that are watched."""
        rows = await self.connection.fetch(f"SELECT {FOLDER} FROM watch_folders WHERE NOT removed ORDER BY id")
        return [WatchFolder(**row) for row in rows]

    async def folder(self, watch_folder_id: UUID) -> WatchFolder | None:
        """Also one that is not watched any more."""
        row = await self.connection.fetchrow(f"SELECT {FOLDER} FROM watch_folders WHERE id = $1", watch_folder_id)
        return WatchFolder(**row) if row else None

    # ------------------------------------------------------------ files

    async def open_files(self, folder: WatchFolder) -> int:
        """How many of it are on their way."""
        count: int = await self.connection.fetchval(
            "SELECT count(*) FROM watched_files WHERE watch_folder_id = $1 AND ended_at IS NULL", folder.id
        )
        return count

    async def clock(self) -> datetime:
        at: datetime = await self.connection.fetchval("SELECT clock_timestamp()")
        return at

    async def found(self, folder: WatchFolder, sightings: Sequence[Sighting], since: datetime) -> Sequence[Sighting]:
        """Those of them that nobody has found yet, and in whose place no other is on its way.

        Nor was any since they were looked for (by `clock`): what was seen may have been on its way then.
        """
        by_id = {sighting.id_in(folder.id): sighting for sighting in sightings}
        ids = sorted(by_id)  # two replicas that meet wait for each other instead of deadlocking
        rows = await self.connection.fetch(
            """
            INSERT INTO watched_files (id, watch_folder_id, tenant_id, path, size_bytes, version, state)
            SELECT id, $1, $2, path, size_bytes, version, 'found'
            FROM unnest($3::uuid[], $4::text[], $5::bigint[], $6::text[]) AS file (id, path, size_bytes, version)
            WHERE NOT EXISTS (
                SELECT FROM watched_files w
                WHERE w.watch_folder_id = $1 AND w.path = file.path AND (w.ended_at IS NULL OR w.ended_at >= $7)
            )
            ON CONFLICT DO NOTHING RETURNING id
            """,
            folder.id,
            folder.tenant_id,
            ids,
            [by_id[file_id].path for file_id in ids],
            [by_id[file_id].size_bytes for file_id in ids],
            [by_id[file_id].version for file_id in ids],
            since,
        )
        return [by_id[row["id"]] for row in rows]

    async def file(self, file_id: UUID) -> tuple[WatchedFile, UUID] | None:
        """The file and its watch folder's id."""
        row = await self.connection.fetchrow(
            "SELECT id, path, size_bytes, version, watch_folder_id FROM watched_files WHERE id = $1", file_id
        )
        return (_file(row), row["watch_folder_id"]) if row else None

    async def decide(self, reasons: Mapping[UploadId, str | None]) -> bool:
        """The files' uploads have ended: without a reason well. False where nothing of that is new."""
        status = await self.connection.execute(
            """
            UPDATE watched_files f
            SET state = CASE WHEN x.reason IS NULL THEN 'accepted' ELSE 'refused' END, reason = x.reason, next_at = now()
            FROM unnest($1::uuid[], $2::text[]) AS x (id, reason) WHERE f.id = x.id AND f.state = 'found'
            """,
            list(reasons),
            list(reasons.values()),
        )
        return status != "UPDATE 0"

    async def claim(self, limit: int, of_each: int, except_of: Sequence[UUID], lease_seconds: float) -> Sequence[Cleared]:
        """Files that are to be cleared away, the oldest decisions first, so many of each of the other folders: ours until the
        lease ends."""
        rows = await self.connection.fetch(
            """
            UPDATE watched_files SET attempts = attempts + 1, next_at = now() + $2 * interval '1 second'
            WHERE id = ANY (ARRAY(
                SELECT id FROM watched_files WHERE next_at <= now() AND id IN (
                    SELECT id FROM (
                        SELECT id, next_at, row_number() OVER (PARTITION BY watch_folder_id ORDER BY next_at, id) AS place
                        FROM watched_files
                        WHERE state IN ('accepted', 'refused') AND next_at <= now() AND watch_folder_id <> ALL ($3::uuid[])
                    ) due
                    WHERE place <= $4 ORDER BY next_at LIMIT $1
                )
                FOR UPDATE SKIP LOCKED
            ))
            RETURNING id, path, size_bytes, version, watch_folder_id, reason, attempts
            """,
            limit,
            lease_seconds,
            except_of,
            of_each,
        )
        return [Cleared(_file(row), row["watch_folder_id"], row["reason"], row["attempts"]) for row in rows]

    async def cleared(self, file_id: UploadId) -> None:
        await self.connection.execute(
            """
            UPDATE watched_files SET state = CASE WHEN state = 'accepted' THEN 'taken' ELSE 'kept' END, ended_at = now()
            WHERE id = $1 AND state IN ('accepted', 'refused')
            """,
            file_id,
        )

    async def postpone(self, file_id: UploadId, seconds: float) -> None:
        await self.connection.execute(
            "UPDATE watched_files SET next_at = now() + $2 * interval '1 second' WHERE id = $1 AND ended_at IS NULL",
            file_id,
            seconds,
        )

    async def purge(self, before: datetime, limit: int) -> int:
        status = await self.connection.execute(
            "DELETE FROM watched_files WHERE id = ANY (ARRAY(SELECT id FROM watched_files WHERE ended_at < $1 LIMIT $2))",
            before,
            limit,
        )
        return int(status.split()[-1])


def _file(row: Any) -> WatchedFile:
    return WatchedFile(UploadId(row["id"]), row["path"], row["size_bytes"], row["version"])
