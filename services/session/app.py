"""The composition root of the session service."""

from datetime import timedelta

from libs.object_store.port import ObjectStore
from libs.outbox.unit_of_work import Outbox
from libs.runtime.database import service_database
from libs.runtime.loop import repeated
from libs.runtime.service import Loop, Resource, Service
from libs.runtime.wakeup import Wakeups
from services.session.adapters.clamd import Clamd
from services.session.domain.lane import LARGE, SMALL, Lane
from services.session.handlers import CLEANUP, HANDLERS
from services.session.jobs.cleanup import Cleanup
from services.session.jobs.deadline import Deadline
from services.session.jobs.forgetting import Forgetting
from services.session.jobs.gauge import Gauges
from services.session.jobs.promotion import Promotion
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
        "cleanup": repeated(cleanup.once, wakeups, CLEANUP, 5),
        "deadline": repeated(deadline.once, wakeups, "deadline", 2),
        "retention": repeated(retention.once, wakeups, "retention", 2),
        "forgetting": repeated(forgetting.once, wakeups, "forgetting", 600),
        "gauges": repeated(Gauges(outbox).once, wakeups, "gauges", 15),
    }


def _promotions(settings: Settings, outbox: Outbox, store: ObjectStore, clamd: Clamd | None) -> dict[str, Loop]:
    """One loop for each lane; with a virus scanner as many as it scans files at once, each with batches as small.

    A batch ends with its slowest scan, which may take minutes, while other loops, and other processes, go on.
    """
    scans = settings.session_scans
    loops = {}
    for lane in (SMALL, LARGE):
        once = _promotion(settings, outbox, store, lane, clamd).once
        for number in range(scans if clamd else 1):
            name = f"{lane.name}.{number}" if number else lane.name
            loops[name] = repeated(once, outbox.wakeups, lane.name, 1)
    return loops


def _promotion(settings: Settings, outbox: Outbox, store: ObjectStore, lane: Lane, clamd: Clamd | None) -> Promotion:
    scans, accepts_oversized = settings.session_scans, settings.session_scan_oversized == "accept"
    return Promotion(
        outbox,
        store,
        lane,
        batch=min(settings.session_batch, scans) if clamd else settings.session_batch,
        copies=settings.session_copies,
        lease=timedelta(seconds=settings.session_lease_seconds),
        scanning=Scanning(store, clamd, scans=scans, accepts_oversized=accepts_oversized) if clamd else None,
    )
