"""The loops: jobs run from the database under leases, never from a held message."""

from typing import Final

from libs.jobs.timer import repeated
from libs.jobs.worker import Worker
from libs.outbox.unit_of_work import Outbox
from libs.runtime.service import Loop
from services.transcoder import metrics
from services.transcoder.store import TranscoderStore
from services.transcoder.usecases.cleaning import Cleaner
from services.transcoder.usecases.job_handler import JobHandler
from services.transcoder.usecases.repository import JobRepository
from services.transcoder.usecases.sniffing import Sniffer

SNIFFS: Final = 100
"""Files whose first bytes are looked at together."""
CLEAN_SECONDS, CLEAN_IDLE_SECONDS = 2.0, 10.0
COUNT_SECONDS: Final = 15.0
FORGET_SECONDS: Final = 600.0


def sniffing(outbox: Outbox, jobs: JobRepository, sniffer: Sniffer) -> Loop:
    return Worker(jobs.lane, jobs, sniffer.handle, outbox.wakeups, slots=SNIFFS, lease_seconds=jobs.lease_seconds).run


def processing(outbox: Outbox, jobs: JobRepository, handler: JobHandler, slots: int) -> Loop:
    worker = Worker(
        jobs.lane,
        jobs,
        handler.handle,
        outbox.wakeups,
        slots=slots,
        lease_seconds=jobs.lease_seconds,
        drain_seconds=0,  # what takes longer than a moment is begun again anyway
        abandon=handler.abandon,
    )
    return worker.run


def cleaning(outbox: Outbox, cleaner: Cleaner) -> dict[str, Loop]:
    return {
        "clean": repeated(cleaner.once, outbox.wakeups, "clean", CLEAN_SECONDS, idle_seconds=CLEAN_IDLE_SECONDS),
        "forget": repeated(cleaner.forget, outbox.wakeups, "forget", FORGET_SECONDS),
    }


def counting(outbox: Outbox) -> Loop:
    """Keeps the queue gauge true."""

    async def once() -> bool:
        async with outbox.database.connection() as connection:
            depths = await TranscoderStore(connection).depths()
        for lane in ("sniff", "quick", "video"):
            metrics.QUEUE.labels(lane).set(depths.get(lane, 0))
        return False

    return repeated(once, outbox.wakeups, "count", COUNT_SECONDS)
