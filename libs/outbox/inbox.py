"""The inbox: which events a consumer has already handled. Its row commits together with what the handler wrote."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from uuid import UUID

from libs.outbox.unit_of_work import Outbox
from libs.postgres.database import Connection

RETENTION = timedelta(days=14)
"""Longer than any retry, dead-letter replay or restored backup may take."""

PURGE_BATCH = 5_000
PURGE_EVERY_SECONDS = 3600

INSERT_INBOX = """
    INSERT INTO inbox (consumer, event_id)
    SELECT $1, id FROM unnest($2::uuid[]) AS id
    ON CONFLICT DO NOTHING
    RETURNING event_id
"""

PURGE_INBOX = """
    DELETE FROM inbox WHERE (consumer, event_id) IN (
        SELECT consumer, event_id FROM inbox WHERE received_at < now() - $1::interval LIMIT $2
    )
"""


async def unseen(connection: Connection, consumer: str, event_ids: Sequence[UUID]) -> set[UUID]:
    """Marks the events as handled and answers those that were not before, in one statement.

    Sorted, so that two transactions with overlapping batches wait for each other instead of deadlocking.
    """
    rows = await connection.fetch(INSERT_INBOX, consumer, sorted(set(event_ids)))
    return {row["event_id"] for row in rows}


def purge_inbox(outbox: Outbox) -> Callable[[], Awaitable[None]]:
    """A loop that deletes what is older than `RETENTION`, a batch per transaction."""

    async def run() -> None:
        while True:
            more = await purge_once(outbox) == PURGE_BATCH
            await asyncio.sleep(0.1 if more else PURGE_EVERY_SECONDS)

    return run


async def purge_once(outbox: Outbox) -> int:
    """Deletes at most one batch; answers how many rows went."""
    async with outbox.database.connection() as connection:
        return int((await connection.execute(PURGE_INBOX, RETENTION, PURGE_BATCH)).split()[-1])
