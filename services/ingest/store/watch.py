"""Watch folders and the files that were found in them, one method per statement."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from contracts.events import WatchFolderConfigured
from contracts.ids import UploadId, new_upload_id
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

    async def lock(self, folder: WatchFolder) -> None:
        """Until the end of the transaction, nobody else inserts files of it."""
        await self.connection.execute("SELECT FROM watch_folders WHERE id = $1 FOR NO KEY UPDATE", folder.id)

    async def insert_new(
        self,
        folder: WatchFolder,
        sightings: Sequence[Sighting],
        since: datetime,
        *,
        limit: int,
        reason: str | None = None,
    ) -> Sequence[tuple[UploadId, Sighting]]:
        """The first `limit` of them that were not taken yet, and in whose place no other is on its way, with new ids.

        Nor was any since they were looked for (by `clock`): what was seen may have been on its way then. With a `reason` they
        are refused at once. Needs `lock`: two who see the same file would insert it twice.
        """
        by_id = {new_upload_id(): sighting for sighting in sightings}
        rows = await self.connection.fetch(
            """
            INSERT INTO watched_files (id, watch_folder_id, tenant_id, path, size_bytes, version, changed_at, state, reason)
            SELECT id, $1, $2, path, size_bytes, version, changed_at,
                CASE WHEN $9::text IS NULL THEN 'found' ELSE 'refused' END, $9
            FROM unnest($3::uuid[], $4::text[], $5::bigint[], $6::text[], $7::float8[])
                WITH ORDINALITY AS file (id, path, size_bytes, version, changed_at, number)
            WHERE NOT EXISTS (
                SELECT FROM watched_files w
                WHERE w.watch_folder_id = $1 AND w.path = file.path AND (
                    w.ended_at IS NULL OR w.ended_at >= $8
                    OR (w.state IN ('taken', 'aside')
                        AND (w.size_bytes, w.version, w.changed_at) = (file.size_bytes, file.version, file.changed_at))
                )
            )
            ORDER BY number LIMIT $10
            ON CONFLICT DO NOTHING RETURNING id
            """,
            folder.id,
            folder.tenant_id,
            list(by_id),
            [sighting.path for sighting in by_id.values()],
            [sighting.size_bytes for sighting in by_id.values()],
            [sighting.version for sighting in by_id.values()],
            [sighting.changed_at for sighting in by_id.values()],
            since,
            reason,
            limit,
        )
        return [(UploadId(row["id"]), by_id[row["id"]]) for row in rows]

    async def refused_paths(self, folder: WatchFolder, paths: Sequence[str]) -> Sequence[str]:
        """Those of them at which a file was refused, as long as that is known."""
        rows = await self.connection.fetch(
            "SELECT DISTINCT path FROM watched_files WHERE watch_folder_id = $1 AND path = ANY ($2) AND state = 'kept'",
            folder.id,
            paths,
        )
        return [row["path"] for row in rows]

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
        """Files that are to be cleared away or looked at once more, the oldest decisions first, so many of each of the other
        folders: ours until the lease ends."""
        rows = await self.connection.fetch(
            """
            UPDATE watched_files SET attempts = attempts + 1, next_at = now() + $2 * interval '1 second'
            WHERE id = ANY (ARRAY(
                SELECT id FROM watched_files WHERE next_at <= now() AND id IN (
                    SELECT id FROM (
                        SELECT id, next_at, row_number() OVER (PARTITION BY watch_folder_id ORDER BY next_at, id) AS place
                        FROM watched_files
                        WHERE state IN ('accepted', 'refused', 'aside') AND next_at <= now()
                            AND watch_folder_id <> ALL ($3::uuid[])
                    ) due
                    WHERE place <= $4 ORDER BY next_at LIMIT $1
                )
                FOR UPDATE SKIP LOCKED
            ))
            RETURNING id, path, size_bytes, version, watch_folder_id, reason, attempts, aside_path,
                coalesce(extract(epoch FROM now() - ended_at), 0)::float8 AS aside_seconds
            """,
            limit,
            lease_seconds,
            except_of,
            of_each,
        )
        return [_cleared(row) for row in rows]

    async def cleared(self, file_id: UploadId) -> None:
        await self.connection.execute(
            """
            UPDATE watched_files SET state = CASE WHEN state = 'refused' THEN 'kept' ELSE 'taken' END,
                ended_at = coalesce(ended_at, now()), aside_path = NULL
            WHERE id = $1 AND state IN ('accepted', 'refused', 'aside')
            """,
            file_id,
        )

    async def set_aside(self, file_id: UploadId, path: str, seconds: float) -> None:
        """It is taken, and looked at once more after `seconds`."""
        await self.connection.execute(
            """
            UPDATE watched_files SET state = 'aside', ended_at = now(), aside_path = $2, attempts = 0,
                next_at = now() + $3 * interval '1 second'
            WHERE id = $1 AND state = 'accepted'
            """,
            file_id,
            path,
            seconds,
        )

    async def postpone(self, file_id: UploadId, seconds: float) -> None:
        await self.connection.execute(
            """
            UPDATE watched_files SET next_at = now() + $2 * interval '1 second'
            WHERE id = $1 AND state IN ('accepted', 'refused', 'aside')
            """,
            file_id,
            seconds,
        )

    async def purge(self, age: timedelta, limit: int) -> int:
        status = await self.connection.execute(
            """
            DELETE FROM watched_files WHERE id = ANY (
                ARRAY(SELECT id FROM watched_files WHERE ended_at <= now() - $1::interval AND state <> 'aside' LIMIT $2)
            )
            """,
            age,
            limit,
        )
        return int(status.split()[-1])


def _cleared(row: Any) -> Cleared:
    return Cleared(
        file=_file(row), watch_folder_id=row["watch_folder_id"], reason=row["reason"], attempts=row["attempts"],
        aside_path=row["aside_path"], aside_seconds=row["aside_seconds"],
    )  # fmt: skip


def _file(row: Any) -> WatchedFile:
    return WatchedFile(UploadId(row["id"]), row["path"], row["size_bytes"], row["version"])
