"""The whole gateway on a port, in a thread of its own with its own event loop: tests talk to it as strangers do."""

import asyncio
import json
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from socket import socket

import pytest
import uvloop
from aiohttp import web
from cryptography.fernet import Fernet
from pydantic import SecretStr

from libs.object_store.disk import DiskStore
from libs.object_store.disk_http import storage_routes
from services.gateway.app import build
from services.gateway.settings import Settings
from tests.servers.postgres import fresh_database

CREDENTIALS = ("api_key", "org", "client_id", "public_key", "secret_key", "private_token", "bearer_token")


@dataclass(frozen=True)
class Address:
    host: str
    port: int
    url: str
    api_key: str
    org: str
    client_id: str
    public_key: str
    secret_key: str
    private_token: str
    bearer_token: str
    account: str


@pytest.fixture(scope="module")
def gateway(postgres_dsn: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Address]:
    started: Future[Address] = Future()
    stop: Future[None] = Future()
    folder = tmp_path_factory.mktemp("gateway")
    thread = threading.Thread(target=lambda: uvloop.run(_serve(postgres_dsn, folder, started, stop)), name="gateway")
    thread.start()
    try:
        yield started.result(timeout=60)
    finally:
        stop.set_result(None)
        thread.join(timeout=30)
        assert not thread.is_alive()


async def _serve(postgres_dsn: str, folder: Path, started: Future[Address], stop: Future[None]) -> None:
    try:
        async with fresh_database(postgres_dsn) as dsn:
            await _serve_on(dsn, folder, started, stop)
    except BaseException as error:
        if not started.done():
            started.set_exception(error)
        raise


async def _serve_on(dsn: str, folder: Path, started: Future[Address], stop: Future[None]) -> None:
    listener = socket()
    listener.bind(("127.0.0.1", 0))
    host, port = listener.getsockname()
    url = f"http://{host}:{port}"
    settings = Settings(
        data_dir=folder,
        postgres_dsn=SecretStr(dsn),
        secret_key=SecretStr(Fernet.generate_key().decode()),
        base_url=url,
        gateway_key_cache_seconds=60,
    )
    store = DiskStore(folder / "objects", url, "secret")
    service = build(settings, store)
    await service.outbox.database.open()
    for resource in service.resources:
        await resource.open()
    assert service.web is not None
    service.web.add_routes(storage_routes(store))
    runner = web.AppRunner(service.web, access_log=None, shutdown_timeout=2)
    await runner.setup()
    await web.SockSite(runner, listener).start()
    credentials = json.loads(await asyncio.to_thread((folder / "credentials.json").read_text))
    known = {name: credentials[name] for name in CREDENTIALS}
    started.set_result(Address(host, port, url, account=credentials["accounts"][0], **known))
    with suppress(asyncio.CancelledError):
        await asyncio.wrap_future(stop)
    await runner.cleanup()
    for resource in reversed(service.resources):
        await resource.close()
    await service.outbox.database.close()
