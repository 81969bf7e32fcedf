"""Makes one attempt, and decides what came of it."""

import traceback
from typing import Final

import structlog

from libs.jobs.lease import LeaseLostError
from libs.jobs.retry import OWN_FAILURES
from libs.object_store.port import StoreUnavailableError
from libs.observability.tracing import span
from libs.postgres.database import TRANSIENT_ERRORS
from services.delivery.domain.schedule import Schedule
from services.delivery.publishing import metrics
from services.delivery.publishing.connectors.port import FileGoneError
from services.delivery.publishing.domain.error import PublishError
from services.delivery.publishing.domain.outcome import Failed, FileGone, Outcome, Postponed, Retrying
from services.delivery.publishing.domain.publication import Claimed
from services.delivery.publishing.usecases.attempting import Attempting, SealedCheckpoint

OUR_SERVERS_ERRORS: Final[tuple[type[Exception], ...]] = (StoreUnavailableError, *TRANSIENT_ERRORS)
"""Of the store and the database; the destination's are PublishErrors."""

log = structlog.get_logger()


class PublicationHandler:
    def __init__(self, attempting: Attempting, schedule: Schedule) -> None:
        self._attempting = attempting
        self._schedule = schedule

    async def handle(self, claimed: Claimed) -> Outcome:
        """Raises LeaseLostError alone."""
        headers = {"traceparent": claimed.cause.traceparent} if claimed.cause.traceparent else None
        checkpoint = self._attempting.checkpoint(claimed)
        if (refusal := refusal_of(claimed)) is not None:
            return Failed(refusal, attempts=0, state=checkpoint.state)
        try:
            with span("publication.attempt", headers=headers), metrics.IN_FLIGHT.track_inprogress(), metrics.SECONDS.time():
                published = await self._attempting.publish(claimed, checkpoint)
        except LeaseLostError:
            raise
        except Exception as error:
            return self._failed(claimed, checkpoint, error)
        metrics.ATTEMPTS.labels(claimed.account.kind, "published").inc()
        return published

    def _failed(self, claimed: Claimed, checkpoint: SealedCheckpoint, error: Exception) -> Outcome:
        if isinstance(error, PublishError):
            return self._attempt_failed(claimed, checkpoint, error)
        if isinstance(error, FileGoneError):
            return FileGone(checkpoint.state)
        if isinstance(error, OUR_SERVERS_ERRORS):
            pause = OWN_FAILURES.pause_seconds(claimed.store_errors + 1) or 0
            log.warning("publication.store_failed", error=type(error).__name__, retry_seconds=pause, **claimed.ids)
            return Postponed(pause)
        log.error(  # its words are not logged: they may name an address or a secret
            "publication.unexpected_error", error=type(error).__name__, traceback=traceback.format_tb(error.__traceback__),
            **claimed.ids,
        )  # fmt: skip
        return self._attempt_failed(claimed, checkpoint, PublishError("internal", may_pass=True))

    def _attempt_failed(self, claimed: Claimed, checkpoint: SealedCheckpoint, error: PublishError) -> Outcome:
        """Later again where that may help, else the end."""
        metrics.ATTEMPTS.labels(claimed.account.kind, error.code).inc()
        attempts = claimed.publication.attempts + 1
        pause = self._schedule.pause_after(attempts, error.retry_after_seconds) if error.may_pass else None
        return Failed(error, 1, checkpoint.state) if pause is None else Retrying(error, pause)


def refusal_of(claimed: Claimed) -> PublishError | None:
    """Why the destination need not be asked."""
    if claimed.account.removed:
        return PublishError("account_removed")
    if claimed.account.tenant_id != claimed.publication.tenant_id:
        return PublishError("account_unknown")
    if claimed.file.missing is not None:
        return PublishError(claimed.file.missing, claimed.file.missing_message)
    return PublishError("internal") if claimed.is_exhausted else None
