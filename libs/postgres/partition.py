"""Tables that are partitioned by day: what is old goes with its partition, without a trace in the others' pages and indexes.

Each has a default partition, `<table>_default`, so that nothing fails where no partition was made in time. What fell into it
moves to the partition of its day when that is made. Where it is much, it stays; whoever owns the table deletes it row by row.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import asyncpg
import structlog

from libs.postgres.database import Connection

log = structlog.get_logger()

DAYS_AHEAD = 3
"""So many days may the job that makes partitions be off."""

FEW = 10_000
"""Rows that move from the default partition in a moment."""

PARTITIONS = """
    SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = $1::text::regclass
"""
TAKE_TURN = "SELECT pg_try_advisory_xact_lock(hashtext('partitions'), hashtext(current_schema() || '.' || $1))"
NOW = "SELECT now() AT TIME ZONE 'UTC'"


@dataclass(frozen=True)
class DailyPartitions:
    """`key` is the column that decides, `bound` tells the SQL literal with which a day (in UTC) begins there."""

    table: str
    key: str
    bound: Callable[[date], str]

    async def maintain(self, connection: Connection, keep: timedelta | None) -> None:
        """Makes what today and the next days need, and drops what ended longer than `keep` ago. To be called in a transaction.

        Nothing where another replica is at it just now. The database's clock decides what day it is.
        """
        if not await connection.fetchval(TAKE_TURN, self.table):
            return
        now: datetime = await connection.fetchval(NOW)
        existing = {str(row["relname"]) for row in await connection.fetch(PARTITIONS, self.table)}
        if keep is not None:  # first: it locks the whole table, which whoever waits for the default partition has locked, too
            await self._drop(connection, existing, before=(now - keep).date())
        for day in (now.date() + timedelta(days=ahead) for ahead in range(DAYS_AHEAD + 1)):
            if self._name(day) not in existing:
                await self._add(connection, day)

    async def _add(self, connection: Connection, day: date) -> None:
        """Attached, not created in place: that would keep everybody out of the whole table for a moment."""
        name, default = self._name(day), f"{self.table}_default"
        begin, end = self.bound(day), self.bound(day + timedelta(days=1))
        of_day = f"{self.key} >= {begin} AND {self.key} < {end}"
        try:
            async with connection.transaction():
                await connection.execute(f"CREATE TABLE {name} (LIKE {self.table} INCLUDING ALL)")
                await connection.execute(f"LOCK TABLE {default}")  # as ATTACH does: now nobody waits for a row that moves
                await connection.execute(
                    f"WITH moved AS (DELETE FROM {default} WHERE ctid = ANY (ARRAY("
                    f"SELECT ctid FROM {default} WHERE {of_day} LIMIT {FEW})) RETURNING *) "
                    f"INSERT INTO {name} SELECT * FROM moved"
                )
                await connection.execute(
                    f"ALTER TABLE {self.table} ATTACH PARTITION {name} FOR VALUES FROM ({begin}) TO ({end})"
                )
        except asyncpg.CheckViolationError:
            # The default partition has many rows of that day: the others of that day go there, too.
            log.warning("partition.late", table=self.table, day=day.isoformat())

    async def _drop(self, connection: Connection, existing: set[str], *, before: date) -> None:
        for name in sorted(existing):
            day = self._day(name)
            if day is not None and day < before:
                await connection.execute(f"DROP TABLE {name}")
                log.info("partition.dropped", table=self.table, day=day.isoformat())

    def _name(self, day: date) -> str:
        return f"{self.table}_{day:%Y%m%d}"

    def _day(self, name: str) -> date | None:
        """None for a partition that is not of one day."""
        try:
            return datetime.strptime(name.removeprefix(f"{self.table}_"), "%Y%m%d").date()  # noqa: DTZ007 - a day, no moment
        except ValueError:
            return None
