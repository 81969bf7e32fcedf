"""All SQL of publishing, one method per statement."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from contracts.envelope import Envelope
from contracts.events import AccountConfigured, PublicationRequested, StoredObject
from contracts.ids import UploadId
from libs.jobs.claim import ClaimLimits
from libs.postgres.database import Connection
from services.delivery.publishing.domain.outcome import Failed, Published, Retrying
from services.delivery.publishing.domain.publication import Account, Claimed, KnownFile, NewPublication, Publication

CANDIDATES = 1000
"""Of the due publications, the oldest among which a claim chooses."""
FAILING_AFTER = 3
"""Attempts in a row without an answer; from then on an account has one place."""


STILL_OURS = "WHERE p.id = held.id AND p.lease = held.lease"

Written = dict[UUID, tuple[Publication, datetime | None]]
"""Lease → the publication, and when the next attempt is due."""


@dataclass(frozen=True)
class PublicationStore:
    connection: Connection

    # ------------------------------------------------------------ what events say

    async def keep_account(self, event: AccountConfigured) -> None:
        await self.connection.execute(
            """
            INSERT INTO accounts AS a (account_id, tenant_id, revision, kind, name, sealed_settings, removed)
            VALUES ($1, $2, $3, $4, $5, $6, $7)
            ON CONFLICT (account_id) DO UPDATE SET revision = excluded.revision, kind = excluded.kind, name = excluded.name,
                sealed_settings = excluded.sealed_settings, removed = excluded.removed, failures = 0
            WHERE a.revision < excluded.revision
            """,
            event.account_id, event.tenant_id, event.revision, event.kind, event.name,
            "" if event.removed else event.settings_encrypted, event.removed,
        )  # fmt: skip

    async def learn(self, files: Sequence[KnownFile]) -> list[KnownFile]:
        """Adds what is new, keeps what was known, and answers all of it. The rows stay locked until the commit."""
        ordered = sorted(files, key=lambda file: file.upload_id)
        rows = await self.connection.fetch(
            """
            INSERT INTO files AS f (upload_id, tenant_id, stored, file_name, missing, missing_message)
            SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[])
            ON CONFLICT (upload_id) DO UPDATE SET
                stored = coalesce(f.stored, excluded.stored), file_name = coalesce(f.file_name, excluded.file_name),
                missing = coalesce(f.missing, excluded.missing),
                missing_message = CASE WHEN f.missing IS NULL THEN excluded.missing_message ELSE f.missing_message END,
                updated_at = now()
            RETURNING upload_id, tenant_id, stored, file_name, missing, missing_message
            """,
            [file.upload_id for file in ordered], [file.tenant_id for file in ordered],
            [file.stored.model_dump_json() if file.stored else None for file in ordered],
            [file.file_name for file in ordered], [file.missing for file in ordered],
            [file.missing_message for file in ordered],
        )  # fmt: skip
        return [_file(row) for row in rows]

    async def add(self, new: Sequence[NewPublication]) -> list[tuple[Publication, datetime]]:
        """Those that were not there before, and when they are due. The accounts stay as they are until the commit."""
        await self.connection.execute(
            "SELECT FROM accounts WHERE account_id = ANY ($1) ORDER BY account_id FOR SHARE", [one.account_id for one in new]
        )
        ordered = sorted(new, key=lambda one: one.id)
        rows = await self.connection.fetch(
            """
            INSERT INTO publications (id, upload_id, tenant_id, account_id, request, due_at)
            SELECT id, upload_id, tenant_id, account_id, request, coalesce(due_at, now())
            FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::text[], $6::timestamptz[])
                AS x (id, upload_id, tenant_id, account_id, request, due_at)
            ON CONFLICT (id) DO NOTHING
            RETURNING *
            """,
            [one.id for one in ordered], [one.upload_id for one in ordered], [one.tenant_id for one in ordered],
            [one.account_id for one in ordered], [one.cause.model_dump_json() for one in ordered],
            [one.due_at for one in ordered],
        )  # fmt: skip
        return [(_publication(row), row["due_at"]) for row in rows]

    async def make_due(self, upload_ids: Sequence[UploadId]) -> bool:
        """The files are there: each publication that waited for one may be claimed when its time has come. False: none did."""
        status = await self.connection.execute(
            """
            UPDATE publications SET next_at = due_at
            WHERE upload_id = ANY ($1) AND ended_at IS NULL AND next_at IS NULL
            """,
            list(upload_ids),
        )
        return status != "UPDATE 0"

    async def fail_of_uploads(self, reasons: Mapping[UploadId, tuple[str, str]]) -> list[Publication]:
        """Ends what no worker has had yet. `reasons`: upload → code and message."""
        rows = await self.connection.fetch(
            """
            UPDATE publications p SET status = 'failed', sequence = sequence + 1, error_code = x.code,
                error_message = x.message, next_at = NULL, lease = NULL, sealed_state = NULL, ended_at = now()
            FROM unnest($1::uuid[], $2::text[], $3::text[]) AS x (upload_id, code, message)
            WHERE p.upload_id = x.upload_id AND p.status = 'scheduled'
            RETURNING p.*
            """,
            list(reasons),
            [code for code, _ in reasons.values()],
            [message for _, message in reasons.values()],
        )
        return [_publication(row) for row in rows]

    async def make_due_now(self, upload_ids: Sequence[UploadId]) -> None:
        """What a worker had, and will have again later, may be claimed now: something may have to be tidied up."""
        await self.connection.execute(
            """
            UPDATE publications SET next_at = now()
            WHERE upload_id = ANY ($1) AND status IN ('dispatching', 'retrying') AND lease IS NULL
            """,
            list(upload_ids),
        )

    async def fail_of_removed_accounts(self, account_ids: list[UUID], message: str) -> list[Publication]:
        """Ends all that is open and not under way, for the accounts among these that are removed."""
        rows = await self.connection.fetch(
            """
            UPDATE publications p SET status = 'failed', sequence = sequence + 1, error_code = 'account_removed',
                error_message = $2, next_at = NULL, lease = NULL, sealed_state = NULL, ended_at = now()
            FROM accounts a
            WHERE p.account_id = ANY ($1) AND p.ended_at IS NULL AND (p.lease IS NULL OR p.next_at <= now())
              AND a.account_id = p.account_id AND a.removed
            RETURNING p.*
            """,
            account_ids,
            message,
        )
        return [_publication(row) for row in rows]

    # ------------------------------------------------------------ dispatching

    async def claim(self, limits: ClaimLimits, account_concurrency: int, *, lease_seconds: float) -> list[Claimed]:
        """Due publications to known accounts; tenants take turns, as `libs.jobs.claim.due_in_turns` says.

        About `account_concurrency` to one account may be under way in all processes together, one while its destination does
        not answer. They are ours until the lease ends; one whose lease ended is due again.
        """
        rows = await self.connection.fetch(
            """
            WITH busy AS (
                SELECT account_id, count(*) AS places FROM publications
                WHERE lease IS NOT NULL AND next_at > now() GROUP BY account_id
            ), candidates AS (
                SELECT p.id, p.account_id, p.tenant_id, p.next_at, coalesce(t.running, 0) AS running,
                       coalesce(t.served, 0) AS served,
                       CASE WHEN a.failures >= $9 THEN 1 ELSE $6 END - coalesce(b.places, 0) AS free
                FROM publications p JOIN accounts a USING (account_id) LEFT JOIN busy b USING (account_id)
                     LEFT JOIN unnest($3::uuid[], $4::int[], $5::int[]) AS t (tenant_id, running, served)
                     ON t.tenant_id = p.tenant_id
                WHERE p.next_at <= now() AND CASE WHEN a.failures >= $9 THEN 1 ELSE $6 END > coalesce(b.places, 0)
                  AND coalesce($2, 1 + coalesce(t.running, 0)) > coalesce(t.running, 0)
                ORDER BY p.next_at LIMIT $8
            ), of_accounts AS (
                SELECT *, row_number() OVER (PARTITION BY account_id ORDER BY next_at, id) AS place FROM candidates
            ), turns AS (
                SELECT id, next_at, served, running + row_number() OVER (PARTITION BY tenant_id ORDER BY next_at, id) AS turn
                FROM of_accounts WHERE place <= free
            ), taken AS (
                SELECT id, status AS status_before, now() - next_at AS late FROM publications
                WHERE id = ANY (ARRAY(
                        SELECT id FROM turns WHERE turn <= coalesce($2, turn) ORDER BY turn, served, next_at LIMIT $1
                    )) AND next_at <= now()
                FOR UPDATE SKIP LOCKED
            )
            UPDATE publications p SET lease = gen_random_uuid(), next_at = now() + $7, losses = losses + 1,
                status = 'dispatching', sequence = sequence + CASE WHEN status_before = 'dispatching' THEN 0 ELSE 1 END
            FROM taken, accounts a, files f
            WHERE p.id = taken.id AND a.account_id = p.account_id AND f.upload_id = p.upload_id
            RETURNING p.*, status_before, late, a.tenant_id AS account_tenant_id, a.kind, a.sealed_settings, a.removed,
                f.stored, f.file_name, f.missing, f.missing_message
            """,
            *limits.arguments, account_concurrency, timedelta(seconds=lease_seconds), CANDIDATES, FAILING_AFTER,
        )  # fmt: skip
        return [_claimed(row) for row in rows]

    async def renew(self, claims: Sequence[Claimed], lease_seconds: float) -> set[UUID]:
        """The leases that are still ours."""
        rows = await self.connection.fetch(
            f"""
            UPDATE publications p SET next_at = now() + $3
            FROM unnest($1::uuid[], $2::uuid[]) AS held (id, lease) {STILL_OURS} RETURNING p.lease
            """,
            *_held(claims),
            timedelta(seconds=lease_seconds),
        )
        return {row["lease"] for row in rows}

    async def save_state(self, claimed: Claimed, sealed_state: str, lease_seconds: float) -> bool:
        """Keeps what the connector wants to know after a cut, and the lease; False where the publication is no longer ours.

        A worker that came so far did not die over it.
        """
        status = await self.connection.execute(
            "UPDATE publications SET sealed_state = $3, losses = 1, next_at = now() + $4 WHERE id = $1 AND lease = $2",
            claimed.publication.id, claimed.lease, sealed_state, timedelta(seconds=lease_seconds),
        )  # fmt: skip
        return status == "UPDATE 1"

    async def publish(self, results: Sequence[tuple[Claimed, Published]]) -> Written:
        """Answers those that were still ours, as the next ones do."""
        return await self._write(
            """
            UPDATE publications p SET status = 'published', sequence = sequence + 1, attempts = attempts + 1,
                external_id = held.external_id, next_at = NULL, lease = NULL, sealed_state = NULL, error_code = NULL,
                error_message = NULL, ended_at = now()
            FROM unnest($1::uuid[], $2::uuid[], $3::text[]) AS held (id, lease, external_id)
            """,
            [claimed for claimed, _ in results],
            [outcome.external_id for _, outcome in results],
        )

    async def retry(self, results: Sequence[tuple[Claimed, Retrying]]) -> Written:
        return await self._write(
            """
            UPDATE publications p SET status = 'retrying', sequence = sequence + 1, attempts = attempts + 1, losses = 0,
                store_errors = 0, next_at = now() + held.seconds * interval '1 second', lease = NULL, error_code = held.code,
                error_message = held.message
            FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::float8[])
                AS held (id, lease, code, message, seconds)
            """,
            [claimed for claimed, _ in results],
            [outcome.error.code for _, outcome in results],
            [str(outcome.error) for _, outcome in results],
            [outcome.seconds for _, outcome in results],
        )

    async def fail(self, results: Sequence[tuple[Claimed, Failed]]) -> Written:
        return await self._write(
            """
            UPDATE publications p SET status = 'failed', sequence = sequence + 1, attempts = p.attempts + held.attempts,
                next_at = NULL, lease = NULL, sealed_state = NULL, error_code = held.code, error_message = held.message,
                ended_at = now()
            FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::int[]) AS held (id, lease, code, message, attempts)
            """,
            [claimed for claimed, _ in results],
            [outcome.error.code for _, outcome in results],
            [str(outcome.error) for _, outcome in results],
            [outcome.attempts for _, outcome in results],
        )

    async def _write(self, statement: str, claims: Sequence[Claimed], *columns: Sequence[object]) -> Written:
        rows = await self.connection.fetch(
            f"{statement} {STILL_OURS} RETURNING p.*, held.lease AS held_lease", *_held(claims), *columns
        )
        return {row["held_lease"]: (_publication(row), row["next_at"]) for row in rows}

    async def postpone(self, postponed: Sequence[tuple[Claimed, float]], *, store_errors: int = 0) -> None:
        """Gives them back, due after so many seconds: these claims ended in order, and nobody outside needs to know."""
        await self.connection.execute(
            f"""
            UPDATE publications p SET lease = NULL, next_at = now() + held.seconds * interval '1 second', losses = 0,
                store_errors = store_errors + $4
            FROM unnest($1::uuid[], $2::uuid[], $3::float8[]) AS held (id, lease, seconds) {STILL_OURS}
            """,
            *_held([claimed for claimed, _ in postponed]),
            [seconds for _, seconds in postponed],
            store_errors,
        )

    async def count_answers(self, silent: Mapping[UUID, int], answered: Collection[UUID]) -> None:
        """`silent`: account → attempts that its destination did not answer. One that answered is well."""
        if silent:
            await self.connection.execute(
                """
                UPDATE accounts a SET failures = failures + x.silent
                FROM unnest($1::uuid[], $2::int[]) AS x (account_id, silent) WHERE a.account_id = x.account_id
                """,
                list(silent),
                list(silent.values()),
            )
        if answered:
            await self.connection.execute(
                "UPDATE accounts SET failures = 0 WHERE account_id = ANY ($1) AND failures > 0", list(answered)
            )

    async def known_files(self, upload_ids: Sequence[UploadId]) -> dict[UploadId, KnownFile]:
        rows = await self.connection.fetch(
            "SELECT upload_id, tenant_id, stored, file_name, missing, missing_message FROM files WHERE upload_id = ANY ($1)",
            upload_ids,
        )
        return {row["upload_id"]: _file(row) for row in rows}

    async def seconds_until_due(self) -> float | None:
        """Until the next time that something becomes due; None where nothing is planned."""
        seconds: float | None = await self.connection.fetchval(
            "SELECT extract(epoch FROM min(next_at) - clock_timestamp())::float8 FROM publications WHERE next_at > now()"
        )
        return seconds

    # ------------------------------------------------------------ upkeep

    async def backlog(self) -> tuple[int, float]:
        """How many publications have not ended, and for how many seconds the oldest unclaimed one has been due."""
        row = await self.connection.fetchrow(
            """
            SELECT (SELECT count(*) FROM publications WHERE ended_at IS NULL) AS open,
                   (SELECT coalesce(extract(epoch FROM now() - min(next_at)), 0)::float8
                    FROM publications WHERE next_at <= now()) AS overdue
            """
        )
        assert row is not None
        return row["open"], row["overdue"]

    async def purge_publications(self, age: timedelta, limit: int) -> int:
        status = await self.connection.execute(
            """
            DELETE FROM publications WHERE id = ANY (
                ARRAY(SELECT id FROM publications WHERE ended_at <= now() - $1::interval LIMIT $2)
            )
            """,
            age,
            limit,
        )
        return int(status.split()[-1])

    async def purge_files(self, age: timedelta, limit: int) -> int:
        """Those whose publications are gone too: a repeated event must not make them anew."""
        status = await self.connection.execute(
            """
            DELETE FROM files WHERE upload_id = ANY (ARRAY(
                SELECT upload_id FROM files f
                WHERE updated_at <= now() - $1::interval
                  AND NOT EXISTS (SELECT FROM publications p WHERE p.upload_id = f.upload_id) LIMIT $2))
            """,
            age,
            limit,
        )
        return int(status.split()[-1])


def _held(claims: Sequence[Claimed]) -> tuple[list[UUID], list[UUID]]:
    return [claimed.publication.id for claimed in claims], [claimed.lease for claimed in claims]


def _publication(row: Any) -> Publication:
    return Publication(
        id=row["id"], upload_id=row["upload_id"], tenant_id=row["tenant_id"], account_id=row["account_id"],
        sequence=row["sequence"], attempts=row["attempts"],
    )  # fmt: skip


def _file(row: Any) -> KnownFile:
    return KnownFile(
        upload_id=row["upload_id"], tenant_id=row["tenant_id"],
        stored=StoredObject.model_validate_json(row["stored"]) if row["stored"] else None,
        file_name=row["file_name"], missing=row["missing"], missing_message=row["missing_message"],
    )  # fmt: skip


def _claimed(row: Any) -> Claimed:
    cause = Envelope.model_validate_json(row["request"])
    return Claimed(
        publication=_publication(row), request=PublicationRequested.model_validate(cause.data), cause=cause,
        account=Account(row["account_tenant_id"], row["kind"], row["sealed_settings"], row["removed"]),
        file=_file(row), lease=row["lease"], losses=row["losses"], store_errors=row["store_errors"],
        sealed_state=row["sealed_state"], is_first_dispatch=row["status_before"] != "dispatching",
        lag_seconds=row["late"].total_seconds(),
    )  # fmt: skip
