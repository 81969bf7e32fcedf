"""Connections that stay open for the next post to the same scheme, host and port."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import pytest

from libs.egress.client import Answer, EgressNetworkError, EgressRefusedError, GuardedClient
from libs.egress.keep_alive import KeepAlive
from libs.egress.policy import Policy, parse_networks
from tests.integration.libs.egress.test_client import Scripted
from tests.servers.source import head, ok

HOST = "127.0.0.2"


@dataclass
class Keeper:
    """A server that leaves connections open. `replies` are given one after the other, whatever the connection."""

    replies: list[bytes | None]
    """None: the connection is closed without an answer."""
    port: int = 0
    requests: list[tuple[int, str]] = field(default_factory=list)
    """The number of the connection, and the head of the request."""
    writers: list[asyncio.StreamWriter] = field(default_factory=list)
    ended: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))
    """Released when a connection has ended."""

    def url(self, host: str = HOST) -> str:
        return f"http://{host}:{self.port}/"

    @property
    def connections(self) -> list[int]:
        """That each request came on."""
        return [number for number, _ in self.requests]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number = len(self.writers)
        self.writers.append(writer)
        with suppress(OSError, asyncio.IncompleteReadError):
            while True:
                self.requests.append((number, (await reader.readuntil(b"\r\n\r\n{}")).decode()))
                reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
                if reply is None:
                    break
                writer.write(reply)
                await writer.drain()
        writer.close()
        self.ended.release()


@asynccontextmanager
async def keeping(*replies: bytes | None) -> AsyncIterator[Keeper]:
    keeper = Keeper(list(replies) or [ok(b"taken")])
    server = await asyncio.start_server(keeper.serve, HOST, 0)
    keeper.port = server.sockets[0].getsockname()[1]
    try:
        yield keeper
    finally:
        server.close()
        for writer in keeper.writers:
            writer.close()


@asynccontextmanager
async def opened(keep_alive: KeepAlive | None = None, resolver: Scripted | None = None) -> AsyncIterator[GuardedClient]:
    policy = Policy(parse_networks(f"{HOST}/32"))
    client = GuardedClient(policy, timeout_seconds=2, resolver=resolver, keep_alive=keep_alive or KeepAlive(idle_seconds=3600))
    await client.open()
    try:
        yield client
    finally:
        await client.close()


async def post(client: GuardedClient, url: str, headers: dict[str, str] | None = None) -> Answer:
    return await client.post(url, b"{}", headers or {}, keep_bytes=100)


async def test_the_next_post_goes_over_the_same_connection_and_says_nothing_of_the_one_before() -> None:
    async with keeping(ok(b"one", "Set-Cookie: session=private"), ok(b"two")) as keeper, opened() as client:
        first = await post(client, keeper.url(), {"webhook-signature": "v1,private"})
        second = await post(client, keeper.url())
    assert (first.body, second.body) == (b"one", b"two")
    assert keeper.connections == [0, 0]
    assert "private" in keeper.requests[0][1]
    assert "private" not in keeper.requests[1][1]


async def test_a_client_that_keeps_none_makes_a_connection_for_each_post() -> None:
    async with keeping() as keeper:
        client = GuardedClient(Policy(parse_networks(f"{HOST}/32")), timeout_seconds=2)
        await client.open()
        await post(client, keeper.url())
        await post(client, keeper.url())
        await client.close()
    assert keeper.connections == [0, 1]


async def test_another_name_of_the_same_server_has_its_own_connection_which_is_judged() -> None:
    async with keeping() as keeper, opened(resolver=Scripted([HOST])) as client:
        for name in ("one.example", "two.example", "one.example", "two.example"):
            await post(client, keeper.url(name))
    assert keeper.connections == [0, 1, 0, 1]


async def test_another_port_has_its_own_connection() -> None:
    async with keeping() as one, keeping() as other, opened() as client:
        for keeper in (one, other, one):
            await post(client, keeper.url())
    assert (one.connections, other.connections) == ([0, 0], [0])


async def test_a_name_that_leads_inside_by_now_is_refused_at_the_next_connection() -> None:
    # Given a name that led to an allowed address when its connection was made
    resolver = Scripted([HOST], ["127.0.0.1"])
    async with keeping(ok(b"taken"), ok(b"taken", "Connection: close")) as keeper, opened(resolver=resolver) as client:
        await post(client, keeper.url("rebound.example"))
        await post(client, keeper.url("rebound.example"))
        assert resolver.asked == 1
        # When that connection is over
        with pytest.raises(EgressRefusedError):
            await post(client, keeper.url("rebound.example"))
    assert keeper.connections == [0, 0]


async def test_a_kept_connection_that_closes_without_an_answer_is_replaced_once() -> None:
    async with keeping(ok(b"one"), None, ok(b"two")) as keeper, opened() as client:
        assert (await post(client, keeper.url())).body == b"one"
        assert (await post(client, keeper.url())).body == b"two"
    assert keeper.connections == [0, 0, 1]


async def test_a_new_connection_that_closes_without_an_answer_is_a_failure() -> None:
    async with keeping(ok(b"one"), None) as keeper, opened() as client:
        await post(client, keeper.url())
        with pytest.raises(EgressNetworkError) as failed:
            await post(client, keeper.url())
    assert failed.value.code == "disconnected"
    assert keeper.connections == [0, 0, 1]


async def test_a_connection_that_closes_within_the_answer_is_a_failure_at_once() -> None:
    async with keeping(ok(b"one"), b"HTTP/1.1 200 OK\r\nContent-Le") as keeper, opened() as client:
        await post(client, keeper.url())
        posting = asyncio.ensure_future(post(client, keeper.url()))
        while len(keeper.requests) < 2:
            await asyncio.sleep(0)
        keeper.writers[0].close()
        with pytest.raises(EgressNetworkError) as failed:
            await posting
    assert failed.value.code == "disconnected"
    assert keeper.connections == [0, 0]


async def test_the_end_of_a_kept_connection_is_noticed_before_it_is_used() -> None:
    async with keeping() as keeper, opened() as client:
        await post(client, keeper.url())
        keeper.writers[0].close()
        await keeper.ended.acquire()
        assert (await post(client, keeper.url())).body == b"taken"
    assert keeper.connections[0] == 0
    assert keeper.connections[-1] == 1


@pytest.mark.parametrize(
    "answer",
    [ok(b"asked for") + ok(b"smuggled"), ok(b"x" * 1_000_000), head("200 OK") + b"until the end"],
    ids=["two answers", "longer than is read", "without length"],
)
async def test_a_connection_with_anything_else_than_one_answer_is_not_kept(answer: bytes) -> None:
    async with keeping(answer, ok(b"own")) as keeper, opened() as client:
        posting = asyncio.ensure_future(post(client, keeper.url()))
        if b"Content-Length" not in answer:
            while not keeper.requests:
                await asyncio.sleep(0)
            keeper.writers[0].close()
        await posting
        await keeper.ended.acquire()
        assert (await post(client, keeper.url())).body == b"own"
    assert keeper.connections == [0, 1]


async def test_an_answer_that_nobody_has_asked_for_ends_a_connection_that_waits() -> None:
    async with keeping(ok(b"asked for"), ok(b"own")) as keeper, opened() as client:
        await post(client, keeper.url())
        keeper.writers[0].write(ok(b"smuggled"))
        await keeper.ended.acquire()
        assert (await post(client, keeper.url())).body == b"own"
    assert keeper.connections == [0, 1]


@pytest.mark.parametrize(
    "keep_alive",
    [KeepAlive(per_origin=0), KeepAlive(total=0), KeepAlive(lifetime_seconds=0), KeepAlive(idle_seconds=0.01)],
    ids=["of one origin", "altogether", "lifetime", "idle"],
)
async def test_a_connection_beyond_a_limit_ends(keep_alive: KeepAlive) -> None:
    async with keeping() as keeper, opened(keep_alive) as client:
        await post(client, keeper.url())
        await keeper.ended.acquire()
        await post(client, keeper.url())
    assert keeper.connections == [0, 1]


async def test_only_so_many_connections_to_one_server_are_kept() -> None:
    async with keeping() as keeper, opened(KeepAlive(per_origin=1)) as client:
        await asyncio.gather(*(post(client, keeper.url()) for _ in range(5)))
        for _ in range(4):
            await keeper.ended.acquire()
        await post(client, keeper.url())
    assert len(keeper.connections) == 6
    assert len(set(keeper.connections)) == 5
