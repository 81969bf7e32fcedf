"""Pages of what a project has, by the time of its creation; whoever lists names the table and what it shows."""

from dataclasses import dataclass

from asyncpg import Record

from libs.postgres.database import Connection
from services.gateway.domain.page import Place, Window


@dataclass(frozen=True)
class Listing:
    """Fixed pieces of SQL. Its first parameters are `values`; `table` has `created_at` and `id`."""

    table: str
    columns: str
    where: str
    values: tuple[object, ...]

    async def rows(self, connection: Connection, window: Window) -> list[Record]:
        """From `window.start`, and one more than `window.limit` where there is more."""
        order, condition = _order(window.descending), "true"
        count = len(self.values)
        if window.start is not None:
            condition = f"(created_at, id) {'<=' if window.descending else '>='} (${count + 2}, ${count + 3}::uuid)"
        return await connection.fetch(
            f"SELECT {self.columns} FROM {self.table} WHERE {self.where} AND {condition} ORDER BY {order} LIMIT ${count + 1}",
            *self.values,
            window.limit + 1,
            *_place(window.start),
        )

    async def before(self, connection: Connection, window: Window) -> Place | None:
        """Where the page before begins; None where there is none."""
        if window.start is None:
            return None
        count = len(self.values)
        row = await connection.fetchrow(
            f"""
            SELECT created_at, id FROM (
                SELECT created_at, id FROM {self.table}
                WHERE {self.where}
                  AND (created_at, id) {">" if window.descending else "<"} (${count + 2}, ${count + 3}::uuid)
                ORDER BY {_order(not window.descending)} LIMIT ${count + 1}
            ) earlier ORDER BY {_order(window.descending)} LIMIT 1
            """,
            *self.values,
            window.limit,
            *_place(window.start),
        )
        return Place(row["created_at"], row["id"]) if row else None


def _order(descending: bool) -> str:
    return "created_at DESC, id DESC" if descending else "created_at, id"


def _place(place: Place | None) -> tuple[object, ...]:
    return (place.at, place.id) if place else ()
