"""What a failure makes of a fetch."""

import traceback
from typing import Final

import structlog

from libs.jobs.retry import OWN_FAILURES, RetryPolicy
from services.ingest import metrics
from services.ingest.domain.error import INTERNAL_MESSAGE, FetchError, SourceBusyError
from services.ingest.domain.fetch import Fetch
from services.ingest.domain.outcome import Failed, Outcome, Postponed

BUSY_SECONDS: Final = 5.0
"""Before a source that was not ready is asked again."""

log = structlog.get_logger()


def exhausted() -> Failed:
    return Failed("fetch_internal", INTERNAL_MESSAGE)


def source_failed(fetch: Fetch, error: FetchError, retries: RetryPolicy) -> Outcome:
    """Later again where that may help, else the end."""
    upload_id = str(fetch.request.upload_id)
    if isinstance(error, SourceBusyError):
        log.info("fetch.postponed", upload_id=upload_id, code=error.code, message=str(error), retry_seconds=BUSY_SECONDS)
        return Postponed(BUSY_SECONDS)
    pause = retries.pause_seconds(fetch.failures + 1) if error.may_pass else None
    if pause is None:
        return Failed(error.code, str(error))
    metrics.RETRIED.labels(error.code).inc()
    log.info("fetch.postponed", upload_id=upload_id, code=error.code, message=str(error), retry_seconds=pause)
    return Postponed(pause, failures=1)


def store_failed(fetch: Fetch, error: Exception) -> Postponed:
    """Later again, however often: the source is not to blame, and the upload's deadline ends it."""
    pause = OWN_FAILURES.pause_seconds(fetch.store_errors + 1) or 0
    upload_id = str(fetch.request.upload_id)
    log.warning("fetch.store_failed", upload_id=upload_id, error=type(error).__name__, retry_seconds=pause)
    return Postponed(pause, store_errors=1)


def unexpected(fetch: Fetch, error: Exception, retries: RetryPolicy) -> Outcome:
    """Our own mistake. Its words are not logged: they may name the URL."""
    log.error(
        "fetch.unexpected_error", upload_id=str(fetch.request.upload_id), error=type(error).__name__,
        traceback=traceback.format_tb(error.__traceback__),
    )  # fmt: skip
    return source_failed(fetch, FetchError("fetch_internal", INTERNAL_MESSAGE, may_pass=True), retries)
