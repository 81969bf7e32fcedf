"""Nothing reaches this machine unless a network is opened. The canary counts connections."""

import asyncio
import gzip
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult

from libs.egress.client import Answer, EgressNetworkError, EgressRefusedError, GuardedClient
from libs.egress.policy import Policy, parse_networks
from tests.integration.libs.egress.conftest import Canary
from tests.servers.source import ok, serving
from tests.unit.libs.egress.corpus import lines


class Scripted(AbstractResolver):
    """Answers each question with the next address; the last one for ever."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers)
        self.asked = 0

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET) -> list[ResolveResult]:
        self.asked += 1
        addresses = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=0,
            )
            for address in addresses
        ]

    async def close(self) -> None:
        pass


@asynccontextmanager
async def opened(allow: str = "", resolver: AbstractResolver | None = None) -> AsyncIterator[GuardedClient]:
    client = GuardedClient(Policy(parse_networks(allow)), timeout_seconds=2, resolver=resolver)
    await client.open()
    try:
        yield client
    finally:
        await client.close()


async def post(client: GuardedClient, url: str) -> Answer:
    return await client.post(url, b"{}", {}, keep_bytes=100)


@pytest.mark.parametrize("url", lines("loopback_urls.txt"))
async def test_no_spelling_of_this_machine_is_dialled(canary: Canary, url: str) -> None:
    async with opened() as client:
        with pytest.raises(EgressRefusedError):
            await post(client, url.replace("PORT", str(canary.port)))
    assert canary.connections == 0


@pytest.mark.parametrize("url", [line for line in lines("loopback_urls.txt") if line.lower().startswith("http://")])
async def test_the_check_at_the_connection_holds_by_itself(canary: Canary, url: str) -> None:
    """Without the check of the url before it: what a redirect, or a difference between two parsers, would meet."""
    async with opened() as client:
        session = client._session
        assert session is not None
        with pytest.raises((EgressRefusedError, aiohttp.ClientError, ValueError)):
            async with session.post(url.replace("PORT", str(canary.port))):
                pass
    assert canary.connections == 0


async def test_the_canary_sings_to_those_who_may_come(canary: Canary) -> None:
    async with opened("127.0.0.0/8, ::1/128") as client:
        hosts = ["127.0.0.1", "localhost", *(["[::1]", "[::ffff:127.0.0.1]"] if canary.has_ipv6 else [])]
        for host in hosts:
            assert (await post(client, f"http://{host}:{canary.port}/")).body == b"secret"
    assert canary.connections == len(hosts)


@pytest.mark.parametrize("inside", ["127.0.0.1", "::1", "::ffff:127.0.0.1", "0.0.0.0", "64:ff9b::7f00:1"])
async def test_a_name_that_leads_inside_is_refused(canary: Canary, inside: str) -> None:
    async with opened(resolver=Scripted([inside])) as client:
        with pytest.raises(EgressRefusedError):
            await post(client, f"http://innocent.example:{canary.port}/")
    assert canary.connections == 0


async def test_a_name_that_is_rebound_between_two_calls_is_refused(canary: Canary) -> None:
    # Given a name that led to an allowed address (one that this test can serve) at first
    resolver = Scripted(["127.0.0.2"], ["127.0.0.1"])
    async with opened("127.0.0.2/32", resolver) as client:
        url = f"http://rebound.example:{canary.port}/"
        assert (await post(client, url)).status == 200
        # When it leads elsewhere: neither a kept answer nor a kept connection is used
        with pytest.raises(EgressRefusedError):
            await post(client, url)
    assert resolver.asked == 2
    assert canary.connections == 1


async def test_a_candidate_behind_one_that_fails_is_judged_too(canary: Canary) -> None:
    """127.0.0.2 is allowed, and nobody listens on that port there: the next candidate is this machine."""
    with socket.socket() as free:
        free.bind(("127.0.0.2", 0))
        port = free.getsockname()[1]
        async with opened("127.0.0.2/32", Scripted(["127.0.0.2", "127.0.0.1"])) as client:
            with pytest.raises(EgressRefusedError):
                await post(client, f"http://two-faced.example:{port}/")
    assert canary.connections == 0


async def test_a_redirect_inside_is_an_answer_and_is_not_followed(canary: Canary) -> None:
    async def redirect(request: web.Request) -> web.StreamResponse:
        return web.Response(status=302, headers={"Location": f"http://127.0.0.1:{canary.port}/"})

    application = web.Application()
    application.router.add_route("*", "/", redirect)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.2", 0).start()
    async with opened("127.0.0.2/32") as client:
        assert (await post(client, f"http://127.0.0.2:{runner.addresses[0][1]}/")).status == 302
    await runner.cleanup()
    assert canary.connections == 0


async def test_a_webhook_goes_to_its_address_as_it_is_spelled() -> None:
    async with serving("127.0.0.2") as receiver, opened("127.0.0.2/32") as client:
        for target in ("/a%2Fb%28c%29%7E//d+e%20f?signature=%2Fq%3D%3d&g=h'i", "/?"):
            assert (await post(client, receiver.sends(target, ok(b"taken")))).body == b"taken"
        receiver.sends("/K%C3%A4se%20?a%20b", ok(b"taken"))
        assert (await post(client, f" {receiver.url('/./Käse ?a b')} ")).body == b"taken"


@pytest.mark.parametrize(
    "answer",
    [
        ok(b"taken", "Content-Security-Policy: " + "x" * 60_000),
        ok(b"taken", "Content-Length: 5"),
        ok(gzip.compress(b"taken"), "Content-Encoding: gzip"),
        ok(gzip.compress(b"taken" + bytes(10_000_000)), "Content-Encoding: gzip"),
    ],
    ids=["long head", "two lengths", "gzip", "bomb"],
)
async def test_an_answer_is_read_as_receivers_send_it(answer: bytes) -> None:
    async with serving("127.0.0.2") as receiver, opened("127.0.0.2/32") as client:
        taken = await post(client, receiver.sends("/", answer))
    assert (taken.status, len(taken.body) <= 100, taken.body[:5]) == (200, True, b"taken")


async def test_a_body_that_nobody_decodes_is_no_failure() -> None:
    async with serving("127.0.0.2") as receiver, opened("127.0.0.2/32") as client:
        answer = await post(client, receiver.sends("/", ok(b"taken", "Content-Encoding: compress")))
    assert (answer.status, answer.body) == (200, b"")


async def test_a_proxy_of_the_environment_is_not_used(canary: Canary, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{canary.port}")
    async with opened("127.0.0.2/32", Scripted(["127.0.0.2"])) as client:
        assert (await post(client, f"http://receiver.example:{canary.port}/")).status == 200
    assert canary.connections == 1, "the receiver's own, on 127.0.0.2"


async def test_a_name_without_an_address_is_a_network_error() -> None:
    async with opened() as client:
        with pytest.raises(EgressNetworkError) as failed:
            await post(client, "http://nowhere.invalid/")
    assert failed.value.code == "name_unresolved"


async def test_https_to_a_server_without_tls_is_a_network_error() -> None:
    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(plain, "127.0.0.1", 0)
    async with opened("127.0.0.1/32") as client:
        with pytest.raises(EgressNetworkError) as failed:
            await post(client, f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/")
    server.close()
    assert failed.value.code == "tls_failed"


async def test_an_unopened_client_says_so() -> None:
    client = GuardedClient(Policy(), timeout_seconds=1)
    with pytest.raises(RuntimeError):
        await client.check()
    async with opened() as client:
        await client.check()
