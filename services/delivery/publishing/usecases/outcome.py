"""Says what became of publications: the row and the event about it in one commit."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal
from uuid import uuid4

import structlog

from contracts.envelope import EncodedEvent
from contracts.events import Event, PublicationChanged
from libs.outbox.unit_of_work import RELAY, Outbox, encode_event
from services.delivery.domain.schedule import Schedule
from services.delivery.publishing import metrics
from services.delivery.publishing.connectors.port import Published
from services.delivery.publishing.domain.error import PublishError
from services.delivery.publishing.domain.publication import PUBLICATIONS, Claimed, Publication, Share, store_pause_seconds
from services.delivery.publishing.store import PublicationStore

log = structlog.get_logger()


class LeaseLostError(Exception):
    """The publication is no longer ours: another worker has taken over."""

    code = "lease_lost"


@dataclass(frozen=True)
class Outcomes:
    outbox: Outbox
    schedule: Schedule
    lease_seconds: float

    async def claim(self, share: Share) -> list[Claimed]:
        async with self.outbox.database.transaction() as connection:
            store = PublicationStore(connection)
            claims = await store.claim(uuid4(), share, lease_seconds=self.lease_seconds)
            news = [_about(one, changed(one.publication, "dispatching")) for one in claims if one.is_news]
            await self.outbox.write(connection, news)
        if claims:
            self.outbox.wakeups.wake(RELAY)
        return claims

    async def extend(self, claimed: Claimed) -> None:
        """Raises LeaseLostError."""
        async with self.outbox.database.connection() as connection:
            if not await PublicationStore(connection).extend(claimed, self.lease_seconds):
                raise LeaseLostError

    async def save_state(self, claimed: Claimed, sealed_state: str) -> None:
        """Raises LeaseLostError."""
        async with self.outbox.database.connection() as connection:
            if not await PublicationStore(connection).save_state(claimed, sealed_state, self.lease_seconds):
                raise LeaseLostError

    async def published(self, claimed: Claimed, published: Published) -> None:
        """A lost lease is fine here, and below: then another worker finds out the same."""

        async def write(store: PublicationStore) -> PublicationChanged | None:
            ended = await store.publish(claimed, published.external_id)
            await store.count_reached(claimed.publication.account_id)
            return changed(ended, "published", external_id=published.external_id) if ended else None

        if await self._record(claimed, write):
            metrics.ENDED.labels("published").inc()
            log.info("publication.published", kind=claimed.account.kind, **_ids(claimed))
        metrics.ATTEMPTS.labels(claimed.account.kind, "published").inc()

    async def attempt_failed(self, claimed: Claimed, error: PublishError) -> bool:
        """Later again where that may help, else the end; True where it is the end, and ours to say so."""
        pause = None
        if error.may_pass:
            pause = self.schedule.pause_after(claimed.publication.attempts + 1, error.retry_after_seconds)
        metrics.ATTEMPTS.labels(claimed.account.kind, error.code).inc()
        if pause is None:
            return await self.failed(claimed, error, attempts=1)
        next_at = datetime.now(UTC) + timedelta(seconds=pause)

        async def write(store: PublicationStore) -> PublicationChanged | None:
            postponed = await store.retry(claimed, error.code, str(error), next_at)
            await _count(store, claimed, error)
            if postponed is None:
                return None
            message = str(error)
            return changed(postponed, "retrying", error_code=error.code, error_message=message, next_attempt_at=next_at)

        if await self._record(claimed, write):
            log.warning(
                "publication.retrying",
                kind=claimed.account.kind,
                code=error.code,
                retry_seconds=round(pause, 1),
                **_ids(claimed),
            )
        return False

    async def failed(self, claimed: Claimed, error: PublishError, *, attempts: int) -> bool:
        """The end, if it is ours to say so. `attempts`: 1 where the destination was asked."""

        async def write(store: PublicationStore) -> PublicationChanged | None:
            ended = await store.fail(claimed, error.code, str(error), attempts=attempts)
            await _count(store, claimed, error)
            return changed(ended, "failed", error_code=error.code, error_message=str(error)) if ended else None

        is_ours = await self._record(claimed, write)
        if is_ours:
            metrics.ENDED.labels("failed").inc()
            log.warning("publication.failed", kind=claimed.account.kind, code=error.code, **_ids(claimed))
        return is_ours

    async def file_gone(self, claimed: Claimed) -> bool:
        """As `failed`, with the reason that events tell; where they have not told it yet, with less."""
        async with self.outbox.database.connection() as connection:
            known = await PublicationStore(connection).known_file(claimed.publication.upload_id)
        code, message = (known.missing, known.missing_message) if known else (None, None)
        error = PublishError(code or "file_missing", message)
        return await self.failed(claimed, error, attempts=1)

    async def store_failed(self, claimed: Claimed, error: Exception) -> None:
        """Later again, however often: the destination is not to blame."""
        pause = store_pause_seconds(claimed.store_errors + 1)
        log.warning("publication.store-failed", error=type(error).__name__, retry_seconds=pause, **_ids(claimed))
        async with self.outbox.database.connection() as connection:
            await PublicationStore(connection).postpone(claimed, pause, store_errors=1)

    async def given_back(self, claimed: Claimed) -> None:
        """We are stopping: due at once for another worker."""
        async with self.outbox.database.connection() as connection:
            await PublicationStore(connection).postpone(claimed, 0)
        self.outbox.wakeups.wake(PUBLICATIONS)

    async def _record(
        self, claimed: Claimed, write: Callable[[PublicationStore], Awaitable[PublicationChanged | None]]
    ) -> bool:
        """False where the publication is no longer ours; then nothing is said."""
        async with self.outbox.database.transaction() as connection:
            event = await write(PublicationStore(connection))
            if event is not None:
                await self.outbox.write(connection, [_about(claimed, event)])
        self.outbox.wakeups.wake(RELAY)
        return event is not None


def changed(
    publication: Publication,
    status: Literal["dispatching", "retrying", "published", "failed"],
    *,
    external_id: str | None = None,
    error_code: str | None = None,
    error_message: str | None = None,
    next_attempt_at: datetime | None = None,
) -> PublicationChanged:
    return PublicationChanged(
        publication_id=publication.id, upload_id=publication.upload_id, tenant_id=publication.tenant_id,
        account_id=publication.account_id, sequence=publication.sequence, status=status, external_id=external_id,
        error_code=error_code, error_message=error_message, attempts=publication.attempts, next_attempt_at=next_attempt_at,
        changed_at=datetime.now(UTC),
    )  # fmt: skip


async def _count(store: PublicationStore, claimed: Claimed, error: PublishError) -> None:
    if error.unreached:
        await store.count_unreached(claimed.publication.account_id)
    else:
        await store.count_reached(claimed.publication.account_id)


def _about(claimed: Claimed, event: Event) -> EncodedEvent:
    """The event as a consequence of the message that asked for the publication, in the same trace."""
    return encode_event(event, source="delivery", cause=claimed.cause)


def _ids(claimed: Claimed) -> dict[str, str]:
    publication = claimed.publication
    return {
        "publication_id": str(publication.id),
        "upload_id": str(publication.upload_id),
        "account_id": str(publication.account_id),
    }
