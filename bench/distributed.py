"""All services as processes of their own on RabbitMQ, PostgreSQL and an S3 server, with a receiver of webhooks.

The servers are those of the tests. The S3 server sends no notifications, so whoever uploads has to `notify`, as a store would.
"""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus, urlsplit

import aiohttp
import psutil

from deploy.demo import receiving
from deploy.demo_client import Demo
from deploy.postgres.embedded import EmbeddedPostgres
from tests.e2e.platform import Platform, processes
from tests.servers import rabbitmq, s3


@dataclass(frozen=True)
class Distributed:
    demo: Demo
    platform: Platform
    database: str
    """The DSN of a superuser."""
    database_log: Path

    def processes(self) -> list[psutil.Process]:
        """Services and servers, without this process."""
        return [child for child in psutil.Process().children(recursive=True) if child.is_running()]

    async def notify(self, upload_url: str) -> None:
        """Says that the object behind a signed URL was stored, as S3 does."""
        bucket, _slash, key = urlsplit(upload_url).path.lstrip("/").partition("/")
        found = {"bucket": {"name": bucket}, "object": {"key": quote_plus(key, safe="/"), "size": 1, "eTag": "0"}}
        notice = {"Records": [{"eventName": "ObjectCreated:Put", "s3": found}]}
        headers = {"Authorization": f"Bearer {self.platform.events_token}"}
        async with self.demo.http.post(self.platform.events_url, json=notice, headers=headers) as response:
            response.raise_for_status()


@asynccontextmanager
async def distributed() -> AsyncIterator[Distributed]:
    arrivals: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    secret: list[str] = []
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        with contextmanager(rabbitmq.start_own)(folder) as broker, s3.running(folder) as s3_url, _postgres(folder) as dsn:
            platform = processes(folder, postgres_dsn=dsn, bus_url=broker.url(broker.vhosts[0]), s3_url=s3.bucket_url(s3_url))
            async with (
                receiving(arrivals, secret) as callback_url,
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60)) as http,
            ):
                try:
                    await asyncio.to_thread(platform.prepare)
                    await asyncio.to_thread(platform.start)
                    credentials = vars(platform.credentials)
                    secret.append(credentials["webhook_secret"])
                    demo = Demo(http, credentials, callback_url, arrivals)
                    yield Distributed(demo, platform, dsn, folder / "postgres.log")
                finally:
                    await asyncio.to_thread(platform.stop)


@contextmanager
def _postgres(folder: Path) -> Iterator[str]:
    folder.chmod(0o755)  # the database does not run as root
    server = EmbeddedPostgres(folder / "postgres")
    server.start()
    try:
        yield server.dsn
    finally:
        server.stop()
