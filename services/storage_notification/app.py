"""The composition root of the storage notification service."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlsplit

from libs.jobs.timer import repeated
from libs.messaging.amqp_source import AmqpSource
from libs.object_store.port import ObjectStore
from libs.outbox.unit_of_work import Outbox
from libs.runtime.database import service_database
from libs.runtime.service import Loop, Service
from libs.runtime.wakeup import Wakeups
from libs.web.server import application
from services.storage_notification.adapters.amqp import taking
from services.storage_notification.api import events_api
from services.storage_notification.handlers import HANDLERS
from services.storage_notification.jobs import MultipartSweep, Notices, Purge, Reconciler
from services.storage_notification.settings import Settings
from services.storage_notification.usecases import NOTICES, Receipt, StorageNotification


@dataclass(frozen=True, kw_only=True)
class StorageNotificationService(Service):
    receive: Callable[[object], Awaitable[Receipt]]
    """For a store in the same process: give it `receive` as the callback for its notifications."""


def build(settings: Settings, store: ObjectStore) -> StorageNotificationService:
    """`web` serves `/internal/storage-events`."""
    outbox = Outbox(service_database(settings, "storage_notification"), Wakeups())
    notification = StorageNotification(outbox, store, _bucket(settings))
    token = settings.storage_events_token
    return StorageNotificationService(
        name="storage_notification",
        outbox=outbox,
        handlers=HANDLERS,
        loops=_loops(settings, outbox, store, notification),
        resources=[store],
        web=application([events_api(notification.receive, token.get_secret_value() if token else None)]),
        receive=notification.receive,
    )


def _loops(settings: Settings, outbox: Outbox, store: ObjectStore, notification: StorageNotification) -> dict[str, Loop]:
    stray_age = timedelta(hours=settings.storage_stray_hours)
    reconciler = Reconciler(
        outbox,
        store,
        notification,
        grace=timedelta(seconds=settings.storage_grace_seconds),
        stray_age=stray_age,
        unknown_age=timedelta(days=settings.storage_unknown_days),
    )
    sweep = MultipartSweep(outbox, store, stray_age=stray_age)
    purge = Purge(outbox, keep_closed=stray_age + timedelta(days=1))
    wakeups = outbox.wakeups
    loops = {
        "reconciler": repeated(reconciler.once, wakeups, "reconciler", settings.storage_reconcile_seconds),
        "notices": repeated(Notices(outbox, notification).once, wakeups, NOTICES, 1, idle_seconds=10),
        "multipart-sweep": repeated(sweep.once, wakeups, "multipart-sweep", settings.storage_multipart_sweep_seconds),
        "purge": repeated(purge.once, wakeups, "purge", 30),
    }
    if settings.storage_events_queue and settings.bus_url:
        source = AmqpSource(settings.bus_url.get_secret_value(), settings.storage_events_queue, taking(notification.receive))
        loops["amqp-source"] = source.run
    return loops


def _bucket(settings: Settings) -> str | None:
    """The bucket that notifications must be about; None (any) for a store without buckets."""
    if settings.s3_url is None:
        return None
    return urlsplit(settings.s3_url.get_secret_value()).path.strip("/") or None
