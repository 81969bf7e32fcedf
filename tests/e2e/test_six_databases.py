"""Each service with a database of its own, in both forms."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest

from tests.e2e import platform
from tests.e2e.client import client_of
from tests.e2e.conftest import running
from tests.e2e.platform import SERVICES, Platform
from tests.e2e.receiver import receiving
from tests.servers import rabbitmq, s3
from tests.servers.postgres import database_dsn

SCHEMAS = "SELECT nspname FROM pg_namespace WHERE nspname = ANY (%s)"


@contextmanager
def six_databases(postgres_dsn: str) -> Iterator[dict[str, str]]:
    """Service → the DSN of an empty database."""
    names = {service: f"own_{service}_{uuid4().hex}" for service in SERVICES}
    with psycopg.connect(postgres_dsn, autocommit=True) as server:
        for name in names.values():
            server.execute(f"CREATE DATABASE {name}".encode())
        try:
            yield {service: database_dsn(postgres_dsn, name) for service, name in names.items()}
        finally:
            for name in names.values():
                server.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def settings_of(dsns: dict[str, str]) -> dict[str, str]:
    return {f"LONGSHORE_{service.upper()}_POSTGRES_DSN": dsn for service, dsn in dsns.items()}


@pytest.fixture(params=["standalone", "processes"])
def divided(request: pytest.FixtureRequest, tmp_path: Path, postgres_dsn: str) -> Iterator[tuple[Platform, dict[str, str]]]:
    with ExitStack() as stack:
        dsns = stack.enter_context(six_databases(postgres_dsn))
        if request.param == "standalone":
            built = platform.standalone(tmp_path, **settings_of(dsns))
        else:
            broker = stack.enter_context(contextmanager(rabbitmq.start_own)(tmp_path))
            s3_url = stack.enter_context(s3.running(tmp_path))
            quick = {"LONGSHORE_STORAGE_RECONCILE_SECONDS": "0.5", "LONGSHORE_STORAGE_GRACE_SECONDS": "0.1"}
            servers = {"postgres_dsn": "", "bus_url": broker.url(broker.vhosts[0]), "s3_url": s3.bucket_url(s3_url)}
            built = platform.processes(tmp_path, **servers, **quick, **settings_of(dsns))
            built.prepare()
        stack.enter_context(running(built))
        yield built, dsns


async def test_an_upload_goes_its_whole_way_through_six_databases(
    divided: tuple[Platform, dict[str, str]], image: bytes
) -> None:
    built, dsns = divided
    async with receiving(built.credentials.webhook_secret) as receiver, client_of(built.credentials) as client:
        created = await client.upload(image, file_type="image", content_type="image/png", callback_url=f"{receiver.url}/six")
        assert (await client.until_terminal(created["id"]))["state"] == "READY"
        assert (await client.request("GET", created["public_url"])).body == image
        await receiver.one_at("/six")
    for service, dsn in dsns.items():
        with psycopg.connect(dsn) as connection:
            assert [name for (name,) in connection.execute(SCHEMAS, [list(SERVICES)])] == [service]
    assert not (built.data_dir / "postgres").exists()
