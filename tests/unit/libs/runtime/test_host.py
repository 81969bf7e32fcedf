"""Stopping a host: what runs ends, what comes is refused, and waits are cut short."""

import asyncio

import aiohttp
import pytest
from aiohttp import web

from libs.messaging.port import Subscription
from libs.runtime.host import Host
from libs.runtime.settings import ServiceSettings
from libs.web.problem import problem_error
from libs.web.route import Answer, Api, Route
from libs.web.server import CLOSING, application


class NoBus:
    """The host of a process that only answers HTTP."""

    def subscribe(self, subscription: Subscription, consumer: object) -> None:
        raise AssertionError("nothing subscribes here")

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    async def check(self) -> None: ...

    async def publish(self, messages: object) -> None: ...


def host_of(running: asyncio.Event, release: asyncio.Event) -> Host:
    async def slow(_request: web.Request) -> web.Response:
        running.set()
        await release.wait()
        return web.Response(text="done")

    async def wait(request: web.Request) -> web.Response:
        running.set()
        await request.app[CLOSING].wait()
        return web.Response(text="closing")

    routes = [Route("GET", f"/{h.__name__}", h, h.__name__, "", {200: Answer("Yes.")}) for h in (slow, wait)]
    settings = ServiceSettings(http_port=0, ops_port=0, shutdown_seconds=20)
    return Host(settings, [], NoBus(), application([Api("test", "Test", routes, problem_error)]))  # type: ignore[arg-type]


async def test_a_stop_lets_running_requests_end_and_takes_no_new_ones() -> None:
    running, release = asyncio.Event(), asyncio.Event()
    host = host_of(running, release)
    await host.start()
    async with aiohttp.ClientSession(f"http://127.0.0.1:{host.http_port}") as client:
        request = asyncio.create_task(client.get("/slow").__aenter__())
        await running.wait()
        stopping = asyncio.create_task(host.stop())
        async with aiohttp.ClientSession() as other:
            await until_refused(other, host.http_port)
            assert not stopping.done()
            async with other.get(f"http://127.0.0.1:{host.ops_port}/readyz") as response:
                assert response.status == 503
        release.set()
        response = await request
        assert await response.text() == "done"
        await stopping


async def test_a_request_that_waits_is_answered_at_the_stop() -> None:
    running = asyncio.Event()
    host = host_of(running, asyncio.Event())
    await host.start()
    async with aiohttp.ClientSession(f"http://127.0.0.1:{host.http_port}") as client:
        request = asyncio.create_task(client.get("/wait").__aenter__())
        await running.wait()
        await host.stop()
        assert await (await request).text() == "closing"


async def test_readiness_names_the_bus_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    host = host_of(asyncio.Event(), asyncio.Event())
    assert await host.check() == {"start": "starting or stopping"}

    async def broken(_self: NoBus) -> None:
        raise ConnectionError

    monkeypatch.setattr(NoBus, "check", broken)
    await host.start()
    assert await host.check() == {"bus": "ConnectionError"}
    await host.stop()


async def until_refused(client: aiohttp.ClientSession, port: int) -> None:
    while True:
        try:
            async with client.get(f"http://127.0.0.1:{port}/nothing"):
                pass
        except aiohttp.ClientError:
            return
