"""The composition root of the session service."""

from datetime import timedelta

from libs.jobs.timer import repeated
from libs.jobs.worker import Worker
from libs.object_store.port import ObjectStore
from libs.outbox.unit_of_work import Outbox
from libs.runtime.database import service_database
from libs.runtime.service import Loop, Resource, Service
from libs.runtime.wakeup import Wakeups
from services.session.adapters.clamd import Clamd
from services.session.domain.lane import LARGE, SMALL, Lane
from services.session.domain.promotion import Outcome, PromotionJob
from services.session.handlers import CLEANUP, HANDLERS
from services.session.jobs.cleanup import Cleanup
from services.session.jobs.deadline import Deadline
from services.session.jobs.forgetting import Forgetting
from services.session.jobs.gauge import Gauges
from services.session.jobs.promotion import Promotion
from services.session.jobs.promotion_repository import PromotionRepository
from services.session.jobs.retention import Retention
from services.session.jobs.scanning import Scanning
from services.session.settings import Settings


def build(settings: Settings, store: ObjectStore) -> Service:
    outbox = Outbox(service_database(settings, "session"), Wakeups())
    clamd = Clamd.from_url(settings.clamd_url, seconds=settings.session_scan_seconds) if settings.clamd_url else None
    loops = _loops(settings, outbox, store) | _promotions(settings, outbox, store, clamd)
    resources: list[Resource] = [store, clamd] if clamd else [store]
    return Service("session", outbox, handlers=HANDLERS, loops=loops, resources=resources)


def _loops(settings: Settings, outbox: Outbox, store: ObjectStore) -> dict[str, Loop]:
    batch, parallel, wakeups = settings.session_batch, settings.session_copies, outbox.wakeups
    deadline = Deadline(outbox, store, batch=batch, looks=parallel)
    retention = Retention(outbox, batch=4 * batch, grace=timedelta(seconds=settings.session_retention_grace_seconds))
    cleanup = Cleanup(outbox, store, batch=4 * batch, deletions=parallel)
    forgetting = Forgetting(outbox, batch=1000, age=timedelta(days=settings.session_forget_days))
    return {
        "cleanup": repeated(cleanup.once, wakeups, CLEANUP, 2, idle_seconds=10),
        "deadline": repeated(deadline.once, wakeups, "deadline", 1, idle_seconds=10),
        "retention": repeated(retention.once, wakeups, "retention", 1, idle_seconds=10),
        "forgetting": repeated(forgetting.once, wakeups, "forgetting", 600),
        "gauges": repeated(Gauges(outbox).once, wakeups, "gauges", 15),
    }


def _promotions(settings: Settings, outbox: Outbox, store: ObjectStore, clamd: Clamd | None) -> dict[str, Loop]:
    """A worker for each lane; a virus scanner gets no more files at once than it scans."""
    scanning = Scanning(store, clamd, accepts_oversized=settings.session_scan_oversized == "accept") if clamd else None
    scans = settings.session_scans if clamd else None
    slots = {SMALL: scans or settings.session_batch, LARGE: scans or settings.session_copies}
    return {lane.name: _worker(settings, outbox, store, lane, slots[lane], scanning=scanning).run for lane in slots}


def _worker(
    settings: Settings, outbox: Outbox, store: ObjectStore, lane: Lane, slots: int, *, scanning: Scanning | None
) -> Worker[PromotionJob, Outcome]:
    promotions = PromotionRepository(outbox, lane, timedelta(seconds=settings.session_lease_seconds))
    return Worker(
        lane.name,
        promotions,
        Promotion(store, promotions, scanning).handle,
        outbox.wakeups,
        slots=slots,
        lease_seconds=settings.session_lease_seconds,
    )
