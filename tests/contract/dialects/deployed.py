"""A gateway in a process of its own, in each form of the platform: as a standalone with its bus and its disk store, and as one
service of many on a broker and S3. Tests say what the other services would.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg
from aiohttp.test_utils import BaseTestServer
from aiohttp.web_runner import BaseRunner
from yarl import URL

from deploy.rabbitmq.deployed import topology
from libs.messaging.amqp.declare import declare
from libs.object_store.disk import DiskStore
from libs.object_store.port import ObjectStore
from libs.object_store.s3 import S3Store
from libs.outbox.unit_of_work import Outbox
from libs.postgres.database import Database
from libs.runtime.service import Service
from libs.runtime.wakeup import Wakeups
from services.gateway.dialects.uploadcare.rest.news import announcer
from services.gateway.handlers import handlers
from tests.e2e.platform import free_port
from tests.e2e.process import Process
from tests.servers import postgres, rabbitmq, s3

KEEP_EVENTS = """
    CREATE TABLE gateway.every_event (id bigint GENERATED ALWAYS AS IDENTITY, event_id uuid UNIQUE, envelope text);
    GRANT ALL ON gateway.every_event TO longshore_gateway;
    CREATE FUNCTION gateway.keep_event() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN
            INSERT INTO gateway.every_event (event_id, envelope) SELECT * FROM unnest(NEW.event_ids, NEW.envelopes)
            ON CONFLICT DO NOTHING;
            RETURN NULL;
        END $$;
    CREATE TRIGGER keep_event AFTER INSERT ON gateway.outbox FOR EACH ROW EXECUTE FUNCTION gateway.keep_event();
"""
"""The relay removes what it has published. What is published again under the same id is the same event to whoever hears it, and
stands here once, as in an outbox that nobody empties.
"""


@dataclass(frozen=True)
class Deployed:
    url: str
    """Where it can be reached, whatever it calls itself."""
    dsn: str
    data_dir: Path
    base_url: str
    open_store: Callable[[], ObjectStore]

    def replica(self) -> Service:
        """Not served, and for the running event loop; to be opened and closed."""
        outbox = Outbox(Database(self.dsn, "gateway"), Wakeups())
        return Service(name="gateway", outbox=outbox, handlers=handlers(announcer(self.base_url)))


class Elsewhere(BaseTestServer):
    """A server that runs already, for a test client."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._root = URL(url)

    async def _make_runner(self, **_options: object) -> BaseRunner:
        raise NotImplementedError


@contextmanager
def standalone(folder: Path, server_dsn: str, **settings: str) -> Iterator[Deployed]:
    """As `deploy.standalone` composes and serves it, on disk."""
    data_dir = folder / "data"
    own = {"LONGSHORE_DATA_DIR": str(data_dir), "LONGSHORE_SANDBOX": "auto", "LONGSHORE_LOG_FORMAT": "json"}
    with (
        database(server_dsn) as dsn,
        running("tests.contract.dialects.standalone_gateway", folder, dsn, **own, **settings) as url,
    ):
        base_url = settings["LONGSHORE_BASE_URL"]
        yield Deployed(url, dsn, data_dir, base_url, lambda: DiskStore(data_dir / "objects", base_url, "not needed"))


@contextmanager
def processes(folder: Path, server_dsn: str, s3_server: str, **settings: str) -> Iterator[Deployed]:
    """As `services.gateway`, with a broker that has everybody's queues, and S3."""
    s3_url = s3.bucket_url(s3_server)
    with contextmanager(rabbitmq.start_own)(folder) as broker, database(server_dsn) as dsn:
        bus_url = broker.url(broker.vhosts[0])
        asyncio.run(declare(bus_url, topology()))
        own = {
            "LONGSHORE_DATA_DIR": str(folder / "data"), "LONGSHORE_SANDBOX": "auto", "LONGSHORE_LOG_FORMAT": "json",
            "LONGSHORE_BUS_URL": bus_url, "LONGSHORE_S3_URL": s3_url,
        }  # fmt: skip
        with running("services.gateway", folder, dsn, **own, **settings) as url:
            base_url = settings["LONGSHORE_BASE_URL"]
            yield Deployed(url, dsn, folder / "data", base_url, lambda: S3Store.from_url(s3_url))


@contextmanager
def database(server_dsn: str) -> Iterator[str]:
    """With a second copy of every event that the gateway publishes."""
    with asyncio.Runner() as runner:
        fresh = postgres.fresh_database(server_dsn)
        dsn = runner.run(fresh.__aenter__())
        runner.run(_keep_events(dsn))
        yield dsn
        runner.run(fresh.__aexit__(None, None, None))


async def _keep_events(dsn: str) -> None:
    connection = await asyncpg.connect(dsn, timeout=10)
    await connection.execute(KEEP_EVENTS)
    await connection.close()


@contextmanager
def running(module: str, folder: Path, dsn: str, **settings: str) -> Iterator[str]:
    port = free_port()
    ports = {"LONGSHORE_HTTP_PORT": str(port), "LONGSHORE_OPS_PORT": str(free_port())}
    process = Process(module, {"LONGSHORE_POSTGRES_DSN": dsn, **ports, **settings}, folder)
    try:
        process.start()
        yield f"http://127.0.0.1:{port}"
    finally:
        process.stop()
