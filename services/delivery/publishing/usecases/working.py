"""Makes one attempt under its lease and decides what its end means."""

import asyncio
import traceback
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final, TypeVar

import structlog

from libs.object_store.port import StoreUnavailableError
from libs.observability.tracing import span
from libs.postgres.database import TRANSIENT_ERRORS
from libs.runtime.lease import Lease
from services.delivery.publishing import metrics
from services.delivery.publishing.connectors.port import FileGoneError, Published
from services.delivery.publishing.domain.error import PublishError
from services.delivery.publishing.domain.publication import Claimed
from services.delivery.publishing.usecases.attempting import Attempting, SealedCheckpoint
from services.delivery.publishing.usecases.outcome import LeaseLostError, Outcomes

GIVE_UP_SECONDS: Final = 30.0
"""For tidying up at a destination that is given up."""
RECORD_SECONDS: Final = 0.5
"""Pause before an outcome that the database did not take is recorded again."""

OUR_SERVERS_ERRORS: Final[tuple[type[Exception], ...]] = (StoreUnavailableError, *TRANSIENT_ERRORS)
"""Of the store and the database; the destination's are PublishErrors."""
STOP_SECONDS: Final = 3.0
"""For an outcome that is being recorded when the service stops."""

log = structlog.get_logger()

T = TypeVar("T")


class Worker:
    def __init__(self, outcomes: Outcomes, attempting: Attempting) -> None:
        self._outcomes = outcomes
        self._attempting = attempting

    async def run(self, claimed: Claimed) -> None:
        """When it is cancelled the publication is given back at once."""
        headers = {"traceparent": claimed.cause.traceparent} if claimed.cause.traceparent else None
        with span("publication.attempt", headers=headers):
            checkpoint = self._attempting.checkpoint(claimed)
            try:
                if await self._ended_without_success(claimed, checkpoint):
                    await self._tidy_up(claimed, checkpoint)
            except asyncio.CancelledError:
                with suppress(Exception):
                    await self._outcomes.given_back(claimed)
                raise

    async def _ended_without_success(self, claimed: Claimed, checkpoint: SealedCheckpoint) -> bool:
        """Makes the attempt and records what came of it. True where nothing more will be tried."""
        if (refusal := refusal_of(claimed)) is not None:
            return await _recorded(lambda: self._outcomes.failed(claimed, refusal, attempts=0))
        try:
            with metrics.SECONDS.time():
                published = await self._under_lease(claimed, checkpoint)
        except LeaseLostError:
            log.warning("publication.lease-lost", publication_id=str(claimed.publication.id))
            return False
        except Exception as error:
            return await self._failed(claimed, error)
        await _recorded(lambda: self._outcomes.published(claimed, published))
        return False

    async def _under_lease(self, claimed: Claimed, checkpoint: SealedCheckpoint) -> Published:
        """Publishes while the lease is kept; whichever ends first ends the other. Raises LeaseLostError too."""
        work = asyncio.create_task(self._attempting.publish(claimed, checkpoint))
        lease = asyncio.create_task(self._keep_lease(claimed))
        try:
            await asyncio.wait({work, lease}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (work, lease):
                task.cancel()
            await asyncio.wait({work, lease})
        if not work.cancelled():
            if not lease.cancelled():
                lease.exception()  # seen: the attempt has ended, however its lease did
            return work.result()
        lease.result()
        raise LeaseLostError

    async def _keep_lease(self, claimed: Claimed) -> None:
        """Raises LeaseLostError when another has it, or nobody could be asked for as long as the lease lasts."""
        lease = Lease(self._outcomes.lease_seconds)
        while True:
            await asyncio.sleep(lease.pause_seconds)
            try:
                async with lease.extending():
                    await self._outcomes.extend(claimed)
            except LeaseLostError:
                raise
            except Exception as error:
                log.warning("lease.not-extended", publication_id=str(claimed.publication.id), error=type(error).__name__)
                if lease.is_lost:
                    raise LeaseLostError from error

    async def _failed(self, claimed: Claimed, error: Exception) -> bool:
        """True where that was the end."""
        match error:
            case PublishError():
                return await _recorded(lambda: self._outcomes.attempt_failed(claimed, error))
            case FileGoneError():
                return await _recorded(lambda: self._outcomes.file_gone(claimed))
        if isinstance(error, OUR_SERVERS_ERRORS):
            await _recorded(lambda: self._outcomes.store_failed(claimed, error))
            return False
        log.error(  # its words are not logged: they may name an address or a secret
            "publication.stumbled", publication_id=str(claimed.publication.id), error=type(error).__name__,
            traceback=traceback.format_tb(error.__traceback__),
        )  # fmt: skip
        return await _recorded(lambda: self._outcomes.attempt_failed(claimed, PublishError("internal", may_pass=True)))

    async def _tidy_up(self, claimed: Claimed, checkpoint: SealedCheckpoint) -> None:
        """The publication has ended: what cannot be tidied up stays."""
        with suppress(Exception):
            async with asyncio.timeout(GIVE_UP_SECONDS):
                await self._attempting.give_up(claimed, checkpoint)


def refusal_of(claimed: Claimed) -> PublishError | None:
    """Why the destination need not be asked."""
    if claimed.account.removed:
        return PublishError("account_removed")
    if claimed.account.tenant_id != claimed.publication.tenant_id:
        return PublishError("account_unknown")
    if claimed.file.missing is not None:
        return PublishError(claimed.file.missing, claimed.file.missing_message)
    return PublishError("internal") if claimed.is_exhausted else None


async def _recorded(record: Callable[[], Awaitable[T]]) -> T:
    """What happened outside must not happen again for want of a note: a stop waits for it a little, too."""
    noting = asyncio.ensure_future(_noted(record))
    try:
        return await asyncio.shield(noting)
    except asyncio.CancelledError:
        await asyncio.wait({noting}, timeout=STOP_SECONDS)
        noting.cancel()
        await asyncio.wait({noting})
        raise


async def _noted(record: Callable[[], Awaitable[T]]) -> T:
    while True:
        try:
            return await record()
        except TRANSIENT_ERRORS as error:
            log.warning("publication.record-postponed", error=type(error).__name__)
            await asyncio.sleep(RECORD_SECONDS)
