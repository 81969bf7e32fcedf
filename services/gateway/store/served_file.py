"""Files as they are served: narrow rows, those of many requests by one statement."""

from collections.abc import Sequence
from dataclasses import fields
from typing import Final
from uuid import UUID

import asyncpg

from contracts.ids import UploadId
from libs.postgres.database import Connection
from services.gateway.domain.served_file import ServedFile
from services.gateway.store.upload import reached_by

_FIELDS: Final = tuple(field.name for field in fields(ServedFile))
_COLUMNS: Final = ", ".join(f"u.{name}" for name in _FIELDS)

Name = tuple[str, str, str]
"""A tenant's client id, a folder, and the name of a file in it."""


def _to_file(row: asyncpg.Record) -> ServedFile:
    values = {name: row[name] for name in _FIELDS}
    values["state"], values["version"] = reached_by(values)
    return ServedFile(**values)


class ServedFileStore:
    """Whoever a file belongs to: these are for public addresses."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def find(self, upload_ids: Sequence[UploadId]) -> list[ServedFile | None]:
        """One for each id, in order; None where there is no such upload."""
        rows = await self._connection.fetch(f"SELECT {_COLUMNS} FROM uploads u WHERE id = ANY($1::uuid[])", upload_ids)
        found = {row["id"]: _to_file(row) for row in rows}
        return [found.get(upload_id) for upload_id in upload_ids]

    async def find_by_name(self, names: Sequence[Name]) -> list[ServedFile | None]:
        """The live file behind each `/{client_id}/files/<folder>/<name>`, in order."""
        rows = await self._connection.fetch(
            f"""
            SELECT t.client_id, {_COLUMNS}, u.folder
            FROM unnest($1::text[], $2::text[], $3::text[]) AS asked (client_id, folder, name)
            JOIN tenants t ON t.client_id = asked.client_id
            JOIN uploads u ON u.tenant_id = t.id AND u.folder = asked.folder AND u.name = asked.name AND u.holds_name
            """,
            *zip(*names, strict=True),
        )
        found = {(row["client_id"], row["folder"], row["name"]): _to_file(row) for row in rows}
        return [found.get(name) for name in names]

    async def find_in_group(self, group_id: UUID, files_count: int, position: int) -> tuple[ServedFile, str] | None:
        """A group's file by its place from 0, with the image operations that the group has for it.

        None where the group has not exactly so many files, those included that were removed since.
        """
        row = await self._connection.fetchrow(
            f"""
            SELECT g.effects, {_COLUMNS} FROM group_files g JOIN uploads u ON u.id = g.upload_id
            WHERE g.group_id = $1 AND g.position = $3 AND (SELECT count(*) FROM group_files WHERE group_id = $1) = $2
            """,
            group_id,
            files_count,
            position,
        )
        return (_to_file(row), row["effects"]) if row else None

    async def count_in_group(self, group_id: UUID) -> int:
        """How many files a group has, those included that were removed since; 0 where there is no such group."""
        count: int = await self._connection.fetchval("SELECT count(*) FROM group_files WHERE group_id = $1", group_id)
        return count
