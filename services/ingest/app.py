"""The composition root of ingest."""

from datetime import timedelta

from libs.egress.client import GuardedClient
from libs.egress.policy import Policy, parse_networks
from libs.object_store.port import ObjectStore
from libs.outbox.unit_of_work import Outbox
from libs.postgres.database import Database
from libs.runtime.service import Service
from libs.runtime.wakeup import Wakeups
from services.ingest.adapters.source import Sources
from services.ingest.domain.fetch import Retries
from services.ingest.handlers import HANDLERS
from services.ingest.jobs import FetchLoop, Upkeep
from services.ingest.settings import Settings
from services.ingest.usecases.fetching import Fetching
from services.ingest.usecases.outcome import Outcomes
from services.ingest.usecases.working import Worker


def build(settings: Settings, store: ObjectStore) -> Service:
    """`settings.postgres_dsn` must be set."""
    if settings.postgres_dsn is None:
        raise ValueError("ingest needs LONGSHORE_POSTGRES_DSN")
    dsn = settings.postgres_dsn.get_secret_value()
    outbox = Outbox(Database(dsn, "ingest", max_connections=settings.postgres_pool), Wakeups())
    client = GuardedClient(Policy(parse_networks(settings.egress_allow)), timeout_seconds=settings.ingest_timeout_seconds)
    fetches = _fetch_loop(settings, outbox, store, client)
    upkeep = Upkeep(outbox, retention=timedelta(days=settings.ingest_retention_days))
    return Service(
        name="ingest",
        outbox=outbox,
        handlers=HANDLERS,
        loops={"fetches": fetches.run, "upkeep": upkeep.run},
        resources=[store, client],
    )


def _fetch_loop(settings: Settings, outbox: Outbox, store: ObjectStore, client: GuardedClient) -> FetchLoop:
    retries = Retries(settings.ingest_retries, settings.ingest_retry_seconds)
    outcomes = Outcomes(outbox, retries, settings.ingest_lease_seconds)
    sources = Sources(
        client,
        timeout_seconds=settings.ingest_timeout_seconds,
        idle_seconds=settings.ingest_idle_seconds,
        max_redirects=settings.ingest_max_redirects,
    )
    return FetchLoop(
        outbox,
        outcomes,
        Worker(store, outcomes, Fetching(sources, store, outcomes)),
        concurrency=settings.ingest_concurrency,
        tenant_concurrency=settings.ingest_tenant_concurrency,
        poll_seconds=settings.ingest_poll_seconds,
    )
