"""The composition root."""

from libs.object_store.port import ObjectStore
from libs.outbox.unit_of_work import Outbox
from libs.postgres.database import Database
from libs.runtime.service import Loop, Service
from libs.runtime.wakeup import Wakeups
from services.transcoder.handlers import HANDLERS
from services.transcoder.jobs import SniffLoop
from services.transcoder.settings import Settings
from services.transcoder.usecases.outcome import Outcomes
from services.transcoder.usecases.sniffing import Sniffer


def build(settings: Settings, store: ObjectStore) -> Service:
    """Raises SandboxUnavailableError where `sandbox` is `strict` and this machine has no namespaces for us."""
    assert settings.postgres_dsn is not None
    database = Database(settings.postgres_dsn.get_secret_value(), "transcoder", max_connections=settings.postgres_pool)
    wakeups = Wakeups()
    outbox = Outbox(database, wakeups)
    outcomes = Outcomes(outbox, settings.transcoder_lease_seconds)
    loops: dict[str, Loop] = {"sniff": SniffLoop(outcomes, Sniffer(store, outcomes), wakeups).run}
    return Service(name="transcoder", outbox=outbox, handlers=HANDLERS, loops=loops, resources=[store])
