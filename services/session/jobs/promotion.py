"""Brings what was stored to where no client can write, and says that the upload is complete.

Where there is a virus scanner, what is promoted is the version that it has seen. Each step can be done again: the store
promotes exactly one version and knows when that was done before, the answer to "whose turn is it" lies in the row (lease), and
COMPLETED and its event commit together. What is still staged then goes by the cleanup job. So a kill at any point leaves either
a lease that runs out or a finished upload.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import UUID, uuid4

import structlog

from contracts.events import Constraints, StoredObject
from contracts.ids import UploadId
from libs.object_store.port import ObjectChangedError, ObjectInfo, ObjectNotFoundError, ObjectStore
from libs.outbox.unit_of_work import Outbox
from services.session.domain.lane import Lane
from services.session.domain.session import Session, await_again, complete, reject
from services.session.domain.verdict import Verdict, verify
from services.session.handlers import CLEANUP
from services.session.jobs.patience import patiently
from services.session.jobs.scanning import ScanFailedError, Scanning
from services.session.jobs.sniffing import sniffed
from services.session.jobs.transition import change
from services.session.store import SessionStore

log = structlog.get_logger()


VERSIONS = 3
"""How many newer versions are followed in one attempt while a client keeps writing."""
MAX_FAILED_SCANS = 12
"""Some six minutes of pauses: whatever is wrong with a scanner that answers, it is wrong with this file."""


@dataclass(frozen=True)
class Promoted:
    file: StoredObject


@dataclass(frozen=True)
class Rejected:
    code: str
    message: str


@dataclass(frozen=True)
class Vanished:
    """Neither the staged object nor the promoted one is there."""


@dataclass(frozen=True)
class Later:
    """The store or the virus scanner did not do it, or this process lost its lease."""

    failed_scans: int = 0


Outcome = Promoted | Rejected | Vanished | Later


class Promotion:
    """`scanning` None: nothing is shown to a virus scanner."""

    def __init__(
        self,
        outbox: Outbox,
        store: ObjectStore,
        lane: Lane,
        *,
        batch: int,
        copies: int,
        lease: timedelta,
        scanning: Scanning | None = None,
    ) -> None:
        self._outbox = outbox
        self._objects = store
        self._lane = lane
        self._batch = batch
        self._copies = asyncio.Semaphore(copies)
        self._lease = lease
        self._scanning = scanning

    async def once(self) -> bool:
        """Claims a batch and settles all of it; False when nothing was due."""
        owner = uuid4()  # of this batch alone: a lease that ran out is lost to the next claim of the same process, too
        async with self._outbox.database.connection() as connection:
            claimed = await SessionStore(connection).claim_promotions(
                owner, self._lease, self._batch, self._lane.min_bytes, self._lane.max_bytes
            )
        if claimed:
            await self._work(owner, claimed)
        return bool(claimed)

    async def _work(self, owner: UUID, claimed: Sequence[Session]) -> None:
        """What ends while a transaction is under way is settled together in the next one."""
        tasks = {asyncio.create_task(self._promote(owner, session)): session for session in claimed}
        pending: set[asyncio.Task[Outcome]] = set(tasks)
        try:
            async with self._renewing(owner, tasks):
                while pending:
                    done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                    outcomes = {tasks[task].upload_id: task.result() for task in done}
                    await patiently(partial(self._settle, owner, outcomes))
        except asyncio.CancelledError:
            await self._release(owner, [tasks[task].upload_id for task in pending])
            raise
        finally:
            for task in pending:
                task.cancel()
            await asyncio.gather(*pending, return_exceptions=True)

    async def _release(self, owner: UUID, upload_ids: Sequence[UploadId]) -> None:
        """An ordered stop: another process shall not have to wait for the lease to run out."""
        with suppress(Exception):
            async with asyncio.timeout(2), self._outbox.database.connection() as connection:
                await SessionStore(connection).release(owner, upload_ids)

    async def _promote(self, owner: UUID, session: Session) -> Outcome:
        try:
            async with self._copies:
                return await self._copy(owner, session)
        except ScanFailedError as error:
            if session.failed_scans + 1 >= MAX_FAILED_SCANS:
                return Rejected(error.code, error.message)
            return Later(failed_scans=1)
        except Exception as error:  # whatever it is, the upload is kept and tried again
            log.warning("promotion.postponed", upload_id=str(session.upload_id), error=type(error).__name__)
            return Later()

    async def _copy(self, owner: UUID, session: Session) -> Outcome:
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
            if not await self._is_mine(owner, session):
                return Later()  # somebody else may have published a version already: do not write over it
            staged = described(found)
        return Later()

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

    async def _is_mine(self, owner: UUID, session: Session) -> bool:
        async with self._outbox.database.connection() as connection:
            return bool(await SessionStore(connection).renew(owner, self._lease, [session.upload_id]))

    @asynccontextmanager
    async def _renewing(self, owner: UUID, tasks: Mapping["asyncio.Task[Outcome]", Session]) -> AsyncIterator[None]:
        async def renew() -> None:
            while True:
                await asyncio.sleep(self._lease.total_seconds() / 3)
                left = [session.upload_id for task, session in tasks.items() if not task.done()]
                try:
                    async with self._outbox.database.connection() as connection:
                        await SessionStore(connection).renew(owner, self._lease, left)
                except Exception as error:  # the next renewal is in time, too
                    log.warning("promotion.lease_not_renewed", error=type(error).__name__)

        renewal = asyncio.create_task(renew())
        try:
            yield
        finally:
            renewal.cancel()
            await asyncio.gather(renewal, return_exceptions=True)

    async def _settle(self, owner: UUID, outcomes: Mapping[UploadId, Outcome]) -> None:
        """One transaction for all that ended; what somebody else decided meanwhile (an abort) stays decided."""
        async with self._outbox.unit_of_work() as work:
            store = SessionStore(work.connection)
            now = datetime.now(UTC)
            before = await store.lock_claimed(owner, list(outcomes))
            await change(work, before, {key: _decide(session, outcomes[key], now) for key, session in before.items()})
            copied = [key for key, end in outcomes.items() if isinstance(end, Promoted) and key not in before]
            if copied:
                await store.clean_orphans(copied)
                work.wake(CLEANUP)
            for failed_scans in (0, 1):
                if later := [upload_id for upload_id, end in outcomes.items() if end == Later(failed_scans)]:
                    await store.postpone(owner, later, failed_scans=failed_scans)


def _decide(session: Session, outcome: Outcome, now: datetime) -> Session:
    match outcome:
        case Promoted(file):
            return complete(session, file, now)
        case Rejected(code, message):
            return reject(session, code, message, now)
        case Vanished():
            return await_again(session)
        case Later():
            return session


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
