"""One platform of each form for the whole run; tests do not disturb each other, since each has uploads of its own."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import pytest_asyncio

from tests.e2e import media, platform
from tests.e2e.client import Client, client_of
from tests.e2e.platform import Platform
from tests.e2e.receiver import Receiver, receiving
from tests.servers import postgres, rabbitmq, s3

FORMS = ("standalone", "processes")


@pytest.fixture(scope="session", params=FORMS)
def shared_platform(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """Running, for tests that break nothing."""
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "standalone":
        built = platform.standalone(folder)
        with running(built):
            yield built
    else:
        # This store sends no notifications, so the reconciler finds every object; here it looks more often than it must.
        quick = {"LONGSHORE_STORAGE_RECONCILE_SECONDS": "0.5", "LONGSHORE_STORAGE_GRACE_SECONDS": "0.1"}
        with (
            real_servers(folder, request.getfixturevalue("postgres_dsn"), **quick) as (built, _broker),
            open_to_browsers(built),
            running(built),
        ):
            yield built


@contextmanager
def running(built: Platform) -> Iterator[None]:
    try:
        built.start()
        yield
    finally:
        built.stop()


@contextmanager
def real_servers(folder: Path, postgres_dsn: str, **settings: str) -> Iterator[tuple[Platform, rabbitmq.RabbitMqServer]]:
    """The many-process form on a broker, a database and a bucket of its own; prepared, not started."""
    with (
        contextmanager(rabbitmq.start_own)(folder) as broker,
        empty_database(postgres_dsn) as dsn,
        s3.running(folder) as s3_url,
    ):
        servers = {"postgres_dsn": dsn, "bus_url": broker.url(broker.vhosts[0]), "s3_url": s3.bucket_url(s3_url)}
        built = platform.processes(folder, **servers, **settings)
        built.prepare()
        yield built, broker


@contextmanager
def open_to_browsers(built: Platform) -> Iterator[None]:
    """Clients are given addresses of the object store that pages of any origin may write to."""
    environment = built.processes["gateway"].environment
    with s3.open_to_browsers(environment["LONGSHORE_S3_URL"]) as public_url:
        environment["LONGSHORE_S3_PUBLIC_URL"] = public_url
        yield


@contextmanager
def empty_database(postgres_dsn: str) -> Iterator[str]:
    with asyncio.Runner() as runner:
        database = postgres.fresh_database(postgres_dsn)
        yield runner.run(database.__aenter__())
        runner.run(database.__aexit__(None, None, None))


@pytest_asyncio.fixture
async def client(shared_platform: Platform) -> AsyncIterator[Client]:
    async with client_of(shared_platform.credentials) as opened:
        yield opened


@pytest_asyncio.fixture
async def receiver(shared_platform: Platform) -> AsyncIterator[Receiver]:
    async with receiving(shared_platform.credentials.webhook_secret) as opened:
        yield opened


@pytest.fixture(scope="session")
def video(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return media.make_video(tmp_path_factory.mktemp("media") / "video.mp4").read_bytes()


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return media.make_image(tmp_path_factory.mktemp("media") / "image.png").read_bytes()
