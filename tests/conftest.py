"""Fixtures that every tier shares. Each part of the tree adds its own beside its tests."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from itertools import cycle

import pytest
import pytest_asyncio
import uvloop

from libs.messaging.amqp.declare import declare, delete
from libs.messaging.topology import Topology
from libs.outbox.unit_of_work import Outbox
from libs.postgres.database import Database
from libs.runtime.wakeup import Wakeups
from tests.servers import postgres
from tests.servers.rabbitmq import VHOSTS, RabbitMqServer
from tests.servers.rabbitmq import start as start_rabbitmq

_turns = cycle(VHOSTS)


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The tests run on the event loop that the services run on."""
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture(scope="session")
def postgres_dsn() -> Iterator[str]:
    """A running server; the database in it is nobody's: use `database_dsn`."""
    yield from postgres.start()


@pytest.fixture
def database_dsn(postgres_dsn: str) -> Iterator[str]:
    """A database of the test's own with every service's schema and migrations."""
    with postgres.cleared_database(postgres_dsn) as dsn:
        yield dsn


@pytest_asyncio.fixture
async def open_outbox(database_dsn: str) -> AsyncIterator[Callable[[str], Awaitable[Outbox]]]:
    """`outbox = await open_outbox("session")`: the service's pool (`outbox.database`), units of work and wake-ups."""
    opened: list[Database] = []

    async def open_for(service: str) -> Outbox:
        database = Database(database_dsn, service)
        await database.open()
        opened.append(database)
        return Outbox(database, Wakeups())

    yield open_for
    for database in opened:
        await database.close()


@pytest.fixture(scope="session")
def rabbitmq(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitMqServer]:
    """A running broker with nothing in it: use `declare_topology`."""
    yield from start_rabbitmq(tmp_path_factory.mktemp("servers"))


@pytest_asyncio.fixture
async def declare_topology(rabbitmq: RabbitMqServer) -> AsyncIterator[Callable[[Topology], Awaitable[str]]]:
    """`url = await declare_topology(Topology({...}))`: a virtual host with that topology; it is emptied afterwards."""
    url = rabbitmq.url(next(_turns) if len(rabbitmq.vhosts) > 1 else rabbitmq.vhosts[0])
    declared: list[Topology] = []

    async def declare_in_vhost(topology: Topology) -> str:
        await declare(url, topology)
        declared.append(topology)
        return url

    yield declare_in_vhost
    for topology in declared:
        await delete(url, topology)
