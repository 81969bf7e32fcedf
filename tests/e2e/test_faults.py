"""Processes are killed while uploads are under way: nothing is lost, and a repetition has the same id and bytes."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
import pytest

from tests.e2e import platform
from tests.e2e.client import Client, client_of, until
from tests.e2e.conftest import real_servers, running
from tests.e2e.platform import SERVICES, Platform
from tests.e2e.receiver import Receiver, receiving
from tests.servers.rabbitmq import RabbitMqServer

pytestmark = pytest.mark.timeout(400)

T = TypeVar("T")
R = TypeVar("R")

COUNT = 200
PATIENCE_SECONDS = 200
"""More than the two minutes after which an event that a broker lost is published again."""


@pytest.fixture
def own_standalone(tmp_path: Path) -> Iterator[Platform]:
    built = platform.standalone(tmp_path)
    with running(built):
        yield built


async def test_standalone_killed_with_200_uploads_in_flight_finishes_every_one(own_standalone: Platform) -> None:
    # Given 200 uploads at every point of their way
    async with _ends(own_standalone) as (client, receiver):
        created = await _registered(client, receiver, COUNT)
        puts = asyncio.create_task(_put_all(client, created))
        await receiver.wait_until(lambda: len(receiver.calls) >= COUNT // 10, PATIENCE_SECONDS)

        # When the process is killed, and started again
        process = own_standalone.processes["standalone"]
        await asyncio.to_thread(process.kill)
        await puts
        await asyncio.to_thread(process.start)
        await _put_missing(client, created)

        # Then each is ready, served and announced under one id with one body
        await _all_announced(client, receiver, created)


@pytest.fixture(scope="module")
def own_processes(tmp_path_factory: pytest.TempPathFactory, postgres_dsn: str) -> Iterator[tuple[Platform, RabbitMqServer]]:
    with real_servers(tmp_path_factory.mktemp("faults"), postgres_dsn) as (built, broker), running(built):
        yield built, broker


@pytest.mark.parametrize("service", SERVICES)
async def test_a_killed_service_loses_nothing(own_processes: tuple[Platform, RabbitMqServer], service: str) -> None:
    built, _broker = own_processes
    async with _ends(built) as (client, receiver):
        created = await _registered(client, receiver, COUNT)
        puts = asyncio.create_task(_put_all(client, created))
        process = built.processes[service]
        await asyncio.to_thread(process.kill)
        await puts
        await asyncio.to_thread(process.start)
        await _put_missing(client, created)
        await _all_announced(client, receiver, created)


async def test_a_broker_that_is_killed_and_comes_back_loses_nothing(own_processes: tuple[Platform, RabbitMqServer]) -> None:
    built, broker = own_processes
    async with _ends(built) as (client, receiver):
        created = await _registered(client, receiver, COUNT)
        puts = asyncio.create_task(_put_all(client, created))
        await asyncio.to_thread(broker.kill)
        await puts
        created += await _registered(client, receiver, 5, prefix="without-broker")  # accepted all the same
        await _put_all(client, created[COUNT:])
        await asyncio.to_thread(broker.start)
        await _all_announced(client, receiver, created)


@asynccontextmanager
async def _ends(built: Platform) -> AsyncIterator[tuple[Client, Receiver]]:
    async with client_of(built.credentials) as client, receiving(built.credentials.webhook_secret) as receiver:
        yield client, receiver


async def _registered(client: Client, receiver: Receiver, count: int, prefix: str = "upload") -> list[dict[str, Any]]:
    async def one(number: int) -> dict[str, Any]:
        return await client.register(callback_url=f"{receiver.url}/{prefix}-{number}") | {"path": f"/{prefix}-{number}"}

    return await _few_at_once(one, range(count))


async def _put_all(client: Client, created: list[dict[str, Any]]) -> None:
    """Some may find nobody there."""

    async def one(upload: dict[str, Any]) -> None:
        with suppress(aiohttp.ClientError):
            await client.put(upload, upload["id"].encode())

    await _few_at_once(one, created)


async def _put_missing(client: Client, created: list[dict[str, Any]]) -> None:
    """A client whose PUT was cut off sends it again, as clients do."""
    states = await _few_at_once(client.state, [upload["id"] for upload in created])
    await _put_all(client, [upload for upload, state in zip(created, states, strict=True) if state["state"] == "REGISTERED"])


async def _all_announced(client: Client, receiver: Receiver, created: list[dict[str, Any]]) -> None:
    paths = {upload["path"] for upload in created}
    try:
        await receiver.wait_until(lambda: paths <= {call.path for call in receiver.calls}, PATIENCE_SECONDS)
    except TimeoutError:
        unannounced = paths - {call.path for call in receiver.calls}
        states = [await client.state(upload["id"]) for upload in created if upload["path"] in unannounced]
        pytest.fail(f"{len(states)} of {len(created)} were not announced, among them {states[:3]}")
    for upload in created:
        calls = receiver.calls_at(upload["path"])
        assert len({(call.webhook_id, call.body) for call in calls}) == 1
        assert (calls[0].data["id"], calls[0].data["status"]) == (upload["id"], "COMPLETED")

        async def ready(upload_id: str = upload["id"]) -> bool:
            return bool((await client.state(upload_id))["state"] == "READY")

        await until(ready, PATIENCE_SECONDS)  # the projection may follow the webhook
        assert (await client.request("GET", upload["public_url"])).body == upload["id"].encode()


async def _few_at_once(call: Callable[[T], Awaitable[R]], items: Iterable[T], limit: int = 20) -> list[R]:
    gate = asyncio.Semaphore(limit)

    async def one(item: T) -> R:
        async with gate:
            return await call(item)

    return await asyncio.gather(*(one(item) for item in items))
