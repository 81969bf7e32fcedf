"""What delivery tells of publications: of one publication the newest step counts, in whatever order they are heard."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from contracts.events import PublicationChanged
from contracts.ids import UploadId, publication_id
from libs.postgres.database import Connection
from services.gateway.domain.publication import FINAL, NewPublication, Publication

COLUMNS = """
    p.id, p.upload_id, p.tenant_id, p.account_id, a.kind, p.due_at, p.status, p.sequence, p.quota, p.external_id, p.error_code,
    p.error_message
"""


class PublicationStore:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def insert(self, batch: Iterable[NewPublication]) -> None:
        """A unit reserved for each."""
        rows = [
            (
                publication_id(new.upload_id, new.account_id), new.upload_id, new.tenant_id, new.account_id, new.position,
                new.due_at, new.at,
            )
            for new in batch
        ]  # fmt: skip
        if rows:
            await self._connection.execute(
                """
                INSERT INTO publications (id, upload_id, tenant_id, account_id, position, due_at, changed_at)
                SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::smallint[], $6::timestamptz[],
                                     $7::timestamptz[])
                """,
                *zip(*rows, strict=True),
            )

    async def of_uploads(self, upload_ids: Sequence[UploadId], *, lock: bool = False) -> list[Publication]:
        """In the order of the client's accounts."""
        rows = await self._connection.fetch(
            f"""
            SELECT {COLUMNS} FROM publications p JOIN accounts a ON a.id = p.account_id
            WHERE p.upload_id = ANY ($1::uuid[]) ORDER BY p.upload_id, p.position
            """
            + ("FOR UPDATE OF p" if lock else ""),
            upload_ids,
        )
        return [Publication(**row) for row in rows]

    async def lock(self, publication_id: UUID) -> Publication | None:
        row = await self._connection.fetchrow(
            f"SELECT {COLUMNS} FROM publications p JOIN accounts a ON a.id = p.account_id WHERE p.id = $1 FOR UPDATE OF p",
            publication_id,
        )
        return Publication(**row) if row else None

    async def change(self, event: PublicationChanged, quota: str) -> None:
        """To the step that the event tells."""
        await self._connection.execute(
            """
            UPDATE publications SET status = $2, sequence = $3, external_id = $4, error_code = $5, error_message = $6,
                attempts = $7, next_attempt_at = $8, changed_at = $9, quota = $10
            WHERE id = $1
            """,
            event.publication_id,
            event.status,
            event.sequence,
            event.external_id,
            event.error_code,
            event.error_message,
            event.attempts,
            event.next_attempt_at,
            event.changed_at,
            quota,
        )

    async def fail(self, reasons: Mapping[UploadId, tuple[str, str]], at: datetime) -> None:
        """Those of these uploads that have no end so far. `reasons`: upload → code and message."""
        await self._connection.execute(
            """
            UPDATE publications p
            SET status = 'failed', error_code = x.code, error_message = x.message, changed_at = $4, quota = 'released'
            FROM unnest($1::uuid[], $2::text[], $3::text[]) AS x (upload_id, code, message)
            WHERE p.upload_id = x.upload_id AND p.status <> ALL ($5::text[])
            """,
            list(reasons),
            [code for code, _ in reasons.values()],
            [message for _, message in reasons.values()],
            at,
            sorted(FINAL),
        )
