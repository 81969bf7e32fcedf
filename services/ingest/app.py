"""The composition root of ingest."""

from datetime import timedelta

from libs.egress.client import GuardedClient
from libs.egress.policy import Policy, parse_networks
from libs.jobs.retry import RetryPolicy
from libs.jobs.timer import repeated
from libs.jobs.worker import Worker
from libs.object_store.port import ObjectStore
from libs.object_store.s3 import S3Store
from libs.outbox.unit_of_work import Outbox
from libs.runtime.database import service_database
from libs.runtime.secret import SecretBox
from libs.runtime.service import Service
from libs.runtime.wakeup import Wakeups
from services.ingest.adapters.blob import BlobSource
from services.ingest.adapters.changes import Changes
from services.ingest.adapters.source import HttpSource
from services.ingest.domain.fetch import FETCHES, Fetch
from services.ingest.domain.ignored_name import IgnoredNames
from services.ingest.domain.outcome import Outcome
from services.ingest.domain.watch import WATCH
from services.ingest.handlers import HANDLERS
from services.ingest.jobs import UPKEEP_SECONDS, ClearingLoop, Upkeep, WatchLoop
from services.ingest.settings import Settings
from services.ingest.usecases.fetch_handler import FetchHandler
from services.ingest.usecases.fetching import Fetching
from services.ingest.usecases.places import Places
from services.ingest.usecases.report import Reporter
from services.ingest.usecases.repository import FetchRepository
from services.ingest.usecases.sourcing import Sources, WatchedSource
from services.ingest.usecases.watching import Clearing, Finding


def build(settings: Settings, store: ObjectStore) -> Service:
    """Raises ValueError when a setting without a default is missing."""
    if settings.secret_key is None:
        raise ValueError("LONGSHORE_SECRET_KEY is required")
    outbox = Outbox(service_database(settings, "ingest"), Wakeups())
    client = GuardedClient(Policy(parse_networks(settings.egress_allow)), timeout_seconds=settings.ingest_timeout_seconds)
    secrets_box = SecretBox(settings.secret_key.get_secret_value())
    places = Places(
        settings.watch_root,
        client,
        secrets_box,
        IgnoredNames(settings.ingest_watch_ignore),
        timeout_seconds=settings.ingest_timeout_seconds,
        idle_seconds=settings.ingest_idle_seconds,
    )
    changes = Changes(lambda: outbox.wakeups.wake(WATCH))
    fetches = _fetch_worker(
        settings, outbox, store, _sources(settings, outbox, store, client=client, secrets_box=secrets_box, places=places)
    )
    poll_seconds = settings.ingest_watch_poll_seconds
    settle_seconds = settings.ingest_watch_settle_seconds
    finding = Finding(outbox, places, settle_seconds=settle_seconds, empty_seconds=settings.ingest_watch_empty_seconds)
    watch = WatchLoop(outbox, finding, changes, poll_seconds=poll_seconds)
    clearing = Clearing(
        outbox,
        places,
        lease_seconds=settings.ingest_lease_seconds,
        settle_seconds=settle_seconds,
        grace_seconds=settings.ingest_watch_grace_seconds,
    )
    clearing_loop = ClearingLoop(outbox, clearing, poll_seconds=settings.ingest_poll_seconds)
    upkeep = Upkeep(outbox, retention=timedelta(days=settings.ingest_retention_days))
    return Service(
        name="ingest",
        outbox=outbox,
        handlers=HANDLERS,
        loops={
            "fetches": fetches.run,
            "watch": watch.run,
            "clearing": clearing_loop.run,
            "upkeep": repeated(upkeep.once, outbox.wakeups, "upkeep", UPKEEP_SECONDS),
        },
        resources=[store, client, changes],
    )


def _sources(
    settings: Settings, outbox: Outbox, store: ObjectStore, *, client: GuardedClient, secrets_box: SecretBox, places: Places
) -> Sources:
    http = HttpSource(
        client,
        timeout_seconds=settings.ingest_timeout_seconds,
        idle_seconds=settings.ingest_idle_seconds,
        max_redirects=settings.ingest_max_redirects,
    )
    blobs = BlobSource(http, secrets_box, store if isinstance(store, S3Store) else None)
    return Sources({"blob": blobs, "watch": WatchedSource(outbox, places)}, http)


def _fetch_worker(settings: Settings, outbox: Outbox, store: ObjectStore, sources: Sources) -> Worker[Fetch, Outcome]:
    retries = RetryPolicy.growing(settings.ingest_retry_seconds, factor=3, count=settings.ingest_retries)
    fetches, reporter = FetchRepository(outbox, settings.ingest_lease_seconds), Reporter(outbox)
    handler = FetchHandler(store, fetches, reporter, Fetching(sources, store, reporter), retries)
    return Worker(
        FETCHES,
        fetches,
        handler.handle,
        outbox.wakeups,
        slots=settings.ingest_concurrency,
        per_tenant=settings.ingest_tenant_concurrency,
        lease_seconds=settings.ingest_lease_seconds,
        poll_seconds=settings.ingest_poll_seconds,
        drain_seconds=0,  # a fetch that was cut off goes on elsewhere, from its beginning
        abandon=handler.abandon,
    )
