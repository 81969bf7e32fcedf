"""What a failure makes of a job."""

from typing import Final

import structlog

from libs.jobs.retry import OWN_FAILURES, RetryPolicy
from services.transcoder.domain.error import INTERNAL_MESSAGE, MediaError
from services.transcoder.domain.job import Job
from services.transcoder.domain.outcome import Failed, Postponed

ATTEMPTS: Final = RetryPolicy((5.0, 30.0), is_endless=True)
"""After attempts that failed, and not for the file's sake; a job that is exhausted is not tried any more."""

log = structlog.get_logger()


def failed(error: MediaError | None, mime_type: str | None) -> Failed:
    """None is our own fault (`internal`)."""
    return Failed(error.code, str(error), mime_type) if error else Failed("internal", INTERNAL_MESSAGE, mime_type)


def store_failed(job: Job, error: Exception) -> Postponed:
    """Later again, however often: the file is not to blame."""
    pause = OWN_FAILURES.pause_seconds(job.store_errors + 1) or 0
    log.warning("job.store_failed", upload_id=str(job.upload.upload_id), error=type(error).__name__, retry_seconds=pause)
    return Postponed(pause, is_counted=False)


def attempt_failed(job: Job, error: Exception) -> Postponed:
    """Later again, `MAX_ATTEMPTS` times in all."""
    log.error("job.attempt_failed", upload_id=str(job.upload.upload_id), attempt=job.attempts, exc_info=error)
    return Postponed(ATTEMPTS.pause_seconds(job.attempts) or 0, is_counted=True)
