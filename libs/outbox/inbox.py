"""The inbox: which events a service has already handled. Its row commits together with what the handler wrote.

It is partitioned by the day of receipt, and old days are dropped. An event that comes again on a later day is found in the
partition of the first one.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from uuid import UUID

from libs.outbox.unit_of_work import Outbox
from libs.postgres.database import Connection
from libs.postgres.partition import DailyPartitions

PARTITIONS = DailyPartitions("inbox", "received_on", lambda day: f"'{day.isoformat()}'")

LONGEST_TRANSACTION = timedelta(minutes=2)
"""No transaction of a handler is open so long."""

PURGE_BATCH = 5_000
MAINTAIN_EVERY_SECONDS = 3600

# So long after midnight that a transaction of yesterday may still be open, an event is entered for both days: whoever handles
# the same one at the same time waits there for it. It is new where every entry was.
INSERT_INBOX = """
    WITH day AS (
        SELECT DISTINCT (moment AT TIME ZONE 'UTC')::date AS received_on
        FROM unnest(ARRAY[now(), now() - $2::interval]) AS moment
    ), inserted AS (
        INSERT INTO inbox (event_id, received_on)
        SELECT id, received_on FROM unnest($1::uuid[]) AS id, day
        WHERE (SELECT true FROM inbox WHERE event_id = id LIMIT 1) IS NULL
        ORDER BY id, received_on
        ON CONFLICT DO NOTHING RETURNING event_id
    )
    SELECT event_id FROM inserted GROUP BY event_id HAVING count(*) = (SELECT count(*) FROM day)
"""

PURGE_DEFAULT = """
    DELETE FROM inbox_default WHERE (event_id, received_on) IN (
        SELECT event_id, received_on FROM inbox_default
        WHERE received_on < (now() AT TIME ZONE 'UTC' - $1::interval)::date LIMIT $2
    )
"""


async def insert_new(
    connection: Connection, event_ids: Sequence[UUID], *, longest_transaction: timedelta = LONGEST_TRANSACTION
) -> set[UUID]:
    """Marks the events as handled and answers those that were not before, in one statement.

    Sorted, so that two transactions with overlapping batches wait for each other instead of deadlocking.
    """
    rows = await connection.fetch(INSERT_INBOX, sorted(set(event_ids)), longest_transaction)
    return {row["event_id"] for row in rows}


def maintain_inbox(outbox: Outbox, keep: timedelta) -> Callable[[], Awaitable[None]]:
    """A loop that makes the partitions of the next days, and drops those that ended longer than `keep` ago."""

    async def run() -> None:
        while True:
            more = await maintain_once(outbox, keep) == PURGE_BATCH
            await asyncio.sleep(0.1 if more else MAINTAIN_EVERY_SECONDS)

    return run


async def maintain_once(outbox: Outbox, keep: timedelta) -> int:
    """Answers how many rows it deleted of those that lie in the default partition; at most one batch."""
    async with outbox.database.transaction() as connection:
        await PARTITIONS.maintain(connection, keep)
    async with outbox.database.connection() as connection:
        return int((await connection.execute(PURGE_DEFAULT, keep, PURGE_BATCH)).split()[-1])
