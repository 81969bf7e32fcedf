"""Dead letters of the in-process bus: a table in the consuming service's schema."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from contracts.envelope import Envelope
from libs.messaging.dead_letter import DeadLetter
from libs.messaging.port import queue_of
from libs.outbox.inbox import insert_new
from libs.outbox.unit_of_work import INSERT_OUTBOX, columns
from libs.postgres.database import Database

INSERT = """
    INSERT INTO dead_letters (event_id, envelope, attempts, reason) VALUES ($1, $2, $3, $4)
    ON CONFLICT (event_id) DO NOTHING
"""
SELECT = """
    SELECT event_id, envelope, attempts, reason, died_at FROM dead_letters
    WHERE $1::uuid IS NULL OR event_id = $1 ORDER BY died_at LIMIT $2
"""
TAKE = "DELETE FROM dead_letters WHERE $1::uuid IS NULL OR event_id = $1 RETURNING event_id, envelope"
FORGET = "DELETE FROM inbox WHERE event_id = ANY($1::uuid[])"


class LocalDeadLetters:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, envelope: Envelope, attempts: int, reason: str) -> None:
        """Settles the message for this service: thanks to the inbox row, deliveries for other services' sake pass it by."""
        async with self._database.transaction() as connection:
            if await insert_new(connection, [envelope.id]):
                await connection.execute(INSERT, envelope.id, envelope.model_dump_json(), attempts, reason)

    async def list(self, limit: int = 100) -> Sequence[DeadLetter]:
        async with self._database.connection() as connection:
            return [self._read(row) for row in await connection.fetch(SELECT, None, limit)]

    async def show(self, message_id: str) -> DeadLetter | None:
        async with self._database.connection() as connection:
            row = await connection.fetchrow(SELECT, UUID(message_id), 1)
        return self._read(row) if row else None

    async def replay(self, message_id: str | None = None) -> int:
        """Through this service's own outbox; every other subscriber's inbox knows the event already."""
        async with self._database.transaction() as connection:
            rows = await connection.fetch(TAKE, UUID(message_id) if message_id else None)
            events = [Envelope.model_validate_json(row["envelope"]).encode() for row in rows]
            await connection.execute(FORGET, [event.id for event in events])
            await connection.execute(INSERT_OUTBOX, *columns(events))
        return len(rows)

    def _read(self, row: Any) -> DeadLetter:
        envelope = Envelope.model_validate_json(row["envelope"])
        return DeadLetter(
            message_id=str(row["event_id"]),
            event_type=envelope.type,
            queue=queue_of(self._database.service),
            reason=row["reason"],
            attempts=row["attempts"],
            body=row["envelope"],
            died_at=row["died_at"],
        )
