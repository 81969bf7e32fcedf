"""The composition root of the session service."""

from datetime import timedelta

from libs.object_store.port import ObjectStore
from libs.outbox.unit_of_work import Outbox
from libs.postgres.database import Database
from libs.runtime.loop import repeated
from libs.runtime.service import Loop, Service
from libs.runtime.wakeup import Wakeups
from services.session.domain.lane import LARGE, SMALL
from services.session.handlers import CLEANUP, HANDLERS
from services.session.jobs.cleanup import Cleanup
from services.session.jobs.deadline import Deadline
from services.session.jobs.gauge import Gauges
from services.session.jobs.promotion import Promotion
from services.session.jobs.retention import Retention
from services.session.settings import Settings


def build(settings: Settings, store: ObjectStore) -> Service:
    """`settings.postgres_dsn` must be set."""
    if settings.postgres_dsn is None:
        raise ValueError("the session service needs LONGSHORE_POSTGRES_DSN")
    dsn = settings.postgres_dsn.get_secret_value()
    outbox = Outbox(Database(dsn, "session", max_connections=settings.postgres_pool), Wakeups())
    return Service("session", outbox, handlers=HANDLERS, loops=_loops(settings, outbox, store), resources=[store])


def _loops(settings: Settings, outbox: Outbox, store: ObjectStore) -> dict[str, Loop]:
    batch, parallel, wakeups = settings.session_batch, settings.session_copies, outbox.wakeups
    lease = timedelta(seconds=settings.session_lease_seconds)

    deadline = Deadline(outbox, store, batch=batch, looks=parallel)
    retention = Retention(outbox, batch=4 * batch)
    cleanup = Cleanup(outbox, store, batch=4 * batch, deletions=parallel)
    loops = {
        "cleanup": repeated(cleanup.once, wakeups, CLEANUP, 5),
        "deadline": repeated(deadline.once, wakeups, "deadline", 2),
        "retention": repeated(retention.once, wakeups, "retention", 2),
        "gauges": repeated(Gauges(outbox).once, wakeups, "gauges", 15),
    }
    for lane in (SMALL, LARGE):
        promotion = Promotion(outbox, store, lane, batch=batch, copies=parallel, lease=lease)
        loops[lane.name] = repeated(promotion.once, wakeups, lane.name, 1)
    return loops
