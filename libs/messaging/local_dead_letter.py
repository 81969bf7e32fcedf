"""Dead letters of the in-process bus: a table in the consuming service's schema."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from contracts.envelope import Envelope
from libs.messaging.dead_letter import DeadLetter
from libs.outbox.inbox import unseen
from libs.outbox.unit_of_work import INSERT_OUTBOX
from libs.postgres.database import Database

INSERT = """
    INSERT INTO dead_letters (event_id, envelope, attempts, reason) VALUES ($1, $2, $3, $4)
    ON CONFLICT (event_id) DO NOTHING
"""
SELECT = "SELECT envelope, attempts, reason, died_at FROM dead_letters ORDER BY died_at LIMIT $1"
SELECT_ONE = "SELECT envelope, attempts, reason, died_at FROM dead_letters WHERE event_id = $1"
TAKE = "DELETE FROM dead_letters WHERE $1::uuid IS NULL OR event_id = $1 RETURNING event_id, envelope"
FORGET = "DELETE FROM inbox WHERE consumer = $1 AND event_id = ANY($2::uuid[])"


class LocalDeadLetters:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, envelope: Envelope, attempts: int, reason: str) -> None:
        """Settles the message for this service: its inbox row makes further deliveries to other services' sake pass by."""
        async with self._database.transaction() as connection:
            if await unseen(connection, self._database.service, [envelope.id]):
                await connection.execute(INSERT, envelope.id, envelope.model_dump_json(), attempts, reason)

    async def list(self, limit: int = 100) -> Sequence[DeadLetter]:
        async with self._database.connection() as connection:
            return [self._read(row) for row in await connection.fetch(SELECT, limit)]

    async def show(self, event_id: UUID) -> DeadLetter | None:
        async with self._database.connection() as connection:
            row = await connection.fetchrow(SELECT_ONE, event_id)
        return self._read(row) if row else None

    async def replay(self, event_id: UUID | None = None) -> int:
        """Through this service's own outbox; every other subscriber's inbox knows the event already."""
        async with self._database.transaction() as connection:
            rows = await connection.fetch(TAKE, event_id)
            ids = [row["event_id"] for row in rows]
            await connection.execute(FORGET, self._database.service, ids)
            await connection.execute(INSERT_OUTBOX, ids, [row["envelope"] for row in rows])
        return len(rows)

    def _read(self, row: Any) -> DeadLetter:
        return DeadLetter(
            envelope=Envelope.model_validate_json(row["envelope"]),
            service=self._database.service,
            reason=row["reason"],
            attempts=row["attempts"],
            died_at=row["died_at"],
        )
