"""Brings what was stored to where no client can write, and says that the upload is complete.

Where there is a virus scanner, what is promoted is the version that it has seen. Each step can be done again: the store
promotes exactly one version and knows when that was done before, the answer to "whose turn is it" lies in the row (lease), and
COMPLETED and its event commit together. What is still staged then goes by the cleanup job. So a kill at any point leaves either
a lease that runs out or a finished upload.
"""

import structlog

from contracts.events import Constraints, StoredObject
from libs.jobs.lease import LeaseLostError
from libs.jobs.retry import OWN_FAILURES
from libs.object_store.port import ObjectChangedError, ObjectInfo, ObjectNotFoundError, ObjectStore
from services.session.domain.promotion import Outcome, Postponed, Promoted, PromotionJob, Rejected, Vanished
from services.session.domain.session import Session
from services.session.domain.verdict import Verdict, verify
from services.session.jobs.promotion_repository import PromotionRepository
from services.session.jobs.scanning import ScanFailedError, Scanning
from services.session.jobs.sniffing import sniffed

log = structlog.get_logger()

VERSIONS = 3
"""How many newer versions are followed in one attempt while a client keeps writing."""
MAX_FAILED_SCANS = 12
"""Some six minutes of pauses: whatever is wrong with a scanner that answers, it is wrong with this file."""


class Promotion:
    """`scanning` None: nothing is shown to a virus scanner."""

    def __init__(self, store: ObjectStore, promotions: PromotionRepository, scanning: Scanning | None = None) -> None:
        self._objects = store
        self._promotions = promotions
        self._scanning = scanning

    async def handle(self, job: PromotionJob) -> Outcome:
        try:
            return await self._copy(job)
        except LeaseLostError:
            raise
        except ScanFailedError as error:
            if job.session.failed_scans + 1 >= MAX_FAILED_SCANS:
                return Rejected(error.code, error.message)
            return _postponed(job, failed_scans=1)
        except Exception as error:  # whatever it is, the upload is kept and tried again
            log.warning("promotion.postponed", upload_id=str(job.session.upload_id), error=type(error).__name__)
            return _postponed(job)

    async def _copy(self, job: PromotionJob) -> Outcome:
        session = job.session
        staged, source, target = session.staged, session.staging_key, session.object_key
        if staged is None or source is None or target is None or session.constraints is None:
            raise ValueError("a stored session has an object and a registration")
        for _ in range(VERSIONS):
            content_type = session.constraints.content_type or staged.content_type
            try:
                verdict = await self._verdict(session.constraints, staged)
                if verdict.code:
                    return Rejected(verdict.code, verdict.message)
                promoted = await self._objects.promote(version_of(staged), target, content_type=content_type)
                return Promoted(described(promoted, content_type))
            except ObjectNotFoundError:
                return await self._without_staged(session, target, content_type)
            except ObjectChangedError:
                log.info("promotion.changed", upload_id=str(session.upload_id))
            found = await self._objects.stat(source)
            if found is None:
                return await self._without_staged(session, target, content_type)
            if not await self._promotions.renew([job]):
                raise LeaseLostError  # somebody else may have published a version already: do not write over it
            staged = described(found)
        return _postponed(job)

    async def _verdict(self, constraints: Constraints, staged: StoredObject) -> Verdict:
        verdict = verify(constraints, staged)
        if verdict.accepted:
            verdict = await sniffed(self._objects, constraints, staged)
        return await self._scanning.verdict(staged) if verdict.accepted and self._scanning else verdict

    async def _without_staged(self, session: Session, target: str, content_type: str | None) -> Outcome:
        """An earlier attempt may have got as far as the promotion."""
        found = await self._objects.stat(target)
        if found is not None and session.staged and found.size_bytes == session.staged.size_bytes:
            return Promoted(described(found, content_type))
        return Vanished()


def _postponed(job: PromotionJob, failed_scans: int = 0) -> Postponed:
    return Postponed(OWN_FAILURES.pause_seconds(job.attempts) or 0, failed_scans)


def version_of(staged: StoredObject) -> ObjectInfo:
    """For the store, what was noticed of it."""
    return ObjectInfo(staged.key, staged.size_bytes, staged.etag, staged.stored_at, staged.content_type)


def described(found: ObjectInfo, content_type: str | None = None) -> StoredObject:
    return StoredObject(
        key=found.key,
        size_bytes=found.size_bytes,
        etag=found.etag,
        content_type=content_type or found.content_type,
        stored_at=found.modified_at,
    )
