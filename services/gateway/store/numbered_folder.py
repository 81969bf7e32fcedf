"""The tenant's folders by number, as the MediaLab API speaks of them; 0 is the root.

The tree is the one of `folder.py`. A folder that exists only because files lie in it gets its row, and so its number, when
somebody asks for that.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from contracts.ids import TenantId
from libs.postgres.database import Connection
from services.gateway.domain.upload import WITHOUT_FILE, Upload
from services.gateway.store.upload import COLUMNS, to_upload

ROOT = 0
_WITHOUT_FILE = [state.value for state in WITHOUT_FILE]


@dataclass(frozen=True)
class NumberedFolder:
    number: int
    path: str
    """Empty: the root."""
    title: str
    """As its creator called it, else the last segment of its path."""


class NumberedFolderStore:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def find(self, tenant_id: TenantId, number: int) -> NumberedFolder | None:
        if number == ROOT:
            return NumberedFolder(ROOT, "", "")
        row = await self._connection.fetchrow(
            "SELECT number, path, title FROM folders WHERE tenant_id = $1 AND number = $2", tenant_id, number
        )
        return _folder(row["number"], row["path"], row["title"]) if row else None

    async def create(self, tenant_id: TenantId, path: str, title: str) -> NumberedFolder | None:
        """None where a folder has this path already."""
        row = await self._connection.fetchrow(
            """
            INSERT INTO folders (tenant_id, path, title) VALUES ($1, $2, $3)
            ON CONFLICT DO NOTHING RETURNING number, path, title
            """,
            tenant_id,
            path,
            title,
        )
        return _folder(row["number"], row["path"], row["title"]) if row else None

    async def numbered(self, tenant_id: TenantId, paths: Sequence[str]) -> list[NumberedFolder]:
        """The folders of these paths, which exist; in the paths' order."""
        rows = await self._connection.fetch(
            "SELECT number, path, title FROM folders WHERE tenant_id = $1 AND path = ANY($2::text[])", tenant_id, paths
        )
        known = {row["path"]: row for row in rows}
        missing = sorted({path for path in paths if path and path not in known})
        if missing:
            await self._connection.execute(
                "INSERT INTO folders (tenant_id, path) SELECT $1, unnest($2::text[]) ON CONFLICT DO NOTHING", tenant_id, missing
            )
            rows = await self._connection.fetch(
                "SELECT number, path, title FROM folders WHERE tenant_id = $1 AND path = ANY($2::text[])", tenant_id, missing
            )
            known |= {row["path"]: row for row in rows}
        return [
            _folder(known[path]["number"], path, known[path]["title"]) if path else NumberedFolder(ROOT, "", "")
            for path in paths
        ]

    async def files(self, tenant_id: TenantId, path: str, *, after: Upload | None, limit: int) -> list[Upload]:
        """The MediaLab API's own files directly in `path`, oldest first, those after `after`."""
        rows = await self._connection.fetch(
            f"""
            SELECT {COLUMNS} FROM uploads
            WHERE tenant_id = $1 AND folder = $2 AND dialect = 'medialab' AND deleted_at IS NULL AND state <> ALL($3::text[])
              AND ($4::timestamptz IS NULL OR (created_at, id) > ($4, $5::uuid))
            ORDER BY created_at, id LIMIT $6
            """,
            tenant_id,
            path,
            _WITHOUT_FILE,
            after.created_at if after else None,
            after.id if after else None,
            limit,
        )
        return [to_upload(row) for row in rows]


def _folder(number: int, path: str, title: str | None) -> NumberedFolder:
    return NumberedFolder(number, path, title or path.rpartition("/")[2])
