"""Runs one service, or several in one process: ordered start, health, signals, ordered stop."""

import asyncio
import random
import signal
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from socket import socket

import structlog
from aiohttp import web

from libs.messaging.dispatch import consumer
from libs.messaging.port import Bus
from libs.observability.ops import ops_application
from libs.outbox.inbox import maintain_inbox
from libs.outbox.relay import Relay
from libs.outbox.resend import Resend
from libs.runtime.collector import relax
from libs.runtime.service import Loop, Resource, Service
from libs.runtime.settings import ServiceSettings

log = structlog.get_logger()


class Host:
    """Start: resources, database, bus, relays, loops, listeners. Stop: the same backwards, each within its time.

    `public` is the application served on the HTTP port: the service's own, or in standalone one that mounts them all.
    Listeners may be given as sockets that are bound already: who must know its port before it starts binds first.
    """

    def __init__(
        self,
        settings: ServiceSettings,
        services: Sequence[Service],
        bus: Bus,
        public: web.Application | None,
        *,
        http_socket: socket | None = None,
        ops_socket: socket | None = None,
    ) -> None:
        self._settings = settings
        self._services = services
        self._bus = bus
        self._public = public
        self._http_socket = http_socket
        self._ops_socket = ops_socket
        self._open_resources: set[int] = set()
        self._tasks: list[asyncio.Task[None]] = []
        self._runners: list[web.AppRunner] = []
        self._ready = False
        self.http_port = settings.http_port
        self.ops_port = settings.ops_port

    async def start(self) -> None:
        # Liveness answers from the first moment; readiness says no until everything below is up.
        ops = ops_application(self.check)
        self.ops_port = await self._listen(ops, self._ops_socket, self._settings.ops_host, self._settings.ops_port)
        for service in self._services:
            await until_open(service.outbox.database.open, f"{service.name}.database")
            for resource in service.resources:
                await self._open(service.name, resource)
            self._bus.subscribe(service.subscription, consumer(service.outbox, service.handlers))
        await until_open(self._bus.start, "bus")
        # The in-process bus is the outbox itself: there is no broker that could lose anything.
        resend = self._settings.resend and self._settings.bus_url is not None
        for service in self._services:
            self._supervise(f"{service.name}.relay", Relay(service.outbox, self._bus, keep=resend).run)
            if resend:
                self._supervise(f"{service.name}.resend", Resend(service.outbox, self._bus).run)
            inbox_keep = timedelta(hours=self._settings.inbox_hours)
            self._supervise(f"{service.name}.inbox", maintain_inbox(service.outbox, inbox_keep))
            for name, loop in service.loops.items():
                self._supervise(f"{service.name}.{name}", loop)
        if self._public is not None:
            self.http_port = await self._listen(
                self._public, self._http_socket, self._settings.http_host, self._settings.http_port
            )
        self._ready = True

    async def check(self) -> dict[str, str]:
        """What is not ready, by name, with the reason; empty when all is well."""
        if not self._ready:
            return {"start": "starting or stopping"}
        checks = {"bus": self._bus.check}
        for service in self._services:
            checks[f"{service.name}.database"] = service.outbox.database.check
            checks |= {f"{service.name}.{type(r).__name__}": r.check for r in service.resources}
        failures = await asyncio.gather(*map(_failure_of, checks.values()))
        return {name: failure for name, failure in zip(checks, failures, strict=True) if failure}

    async def stop(self) -> None:
        self._ready = False
        for runner in reversed(self._runners[1:]):
            await runner.cleanup()
        await self._bus.stop()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=self._settings.shutdown_seconds)
        for service in reversed(self._services):
            for resource in reversed(service.resources):
                await self._close(resource)
            await service.outbox.database.close()
        for runner in self._runners[:1]:
            await runner.cleanup()

    async def run(self, ready_line: str | None = None) -> None:
        """Start, say so, wait for SIGINT or SIGTERM, stop."""
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for signal_number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(signal_number, stop.set)
        starting = asyncio.create_task(self.start())
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            starting.result()
            relax()
            print(ready_line or f"ready: {', '.join(s.name for s in self._services)}", flush=True)
            await stopping
        else:
            starting.cancel()
            with suppress(asyncio.CancelledError):
                await starting
        log.info("service.stopping")
        await self.stop()

    async def _open(self, owner: str, resource: Resource) -> None:
        """Once for each, also where services of one process share it."""
        if id(resource) not in self._open_resources:
            await until_open(resource.open, f"{owner}.{type(resource).__name__}")
            self._open_resources.add(id(resource))

    async def _close(self, resource: Resource) -> None:
        if id(resource) in self._open_resources:
            self._open_resources.discard(id(resource))
            await resource.close()

    def _supervise(self, name: str, loop: Loop) -> None:
        self._tasks.append(asyncio.create_task(supervise(name, loop), name=name))

    async def _listen(self, application: web.Application, bound: socket | None, host: str, port: int) -> int:
        # aiohttp waits this long for running requests to end, and as long again before it cancels them.
        half = self._settings.shutdown_seconds / 2
        runner = web.AppRunner(application, handle_signals=False, access_log=None, shutdown_timeout=half)
        await runner.setup()
        self._runners.append(runner)
        site = web.SockSite(runner, bound, backlog=1024) if bound else web.TCPSite(runner, host, port, backlog=1024)
        await site.start()
        return int(runner.addresses[0][1])


async def _failure_of(check: Loop) -> str | None:
    try:
        async with asyncio.timeout(3):
            await check()
    except Exception as error:
        return type(error).__name__
    return None


async def supervise(name: str, loop: Loop) -> None:
    """Runs `loop` until this task is cancelled: an error is logged and followed by a pause of 0.5 to 10 s."""
    pause = 0.5
    while True:
        started = asyncio.get_running_loop().time()
        try:
            await loop()
            return
        except (Exception, asyncio.CancelledError) as error:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            # A cancellation that nobody asked for is a fault like any other: some task it waited for was cancelled.
            log.error("loop.failed", loop=name, error=type(error).__name__, exc_info=True)
        if asyncio.get_running_loop().time() - started > 60:
            pause = 0.5
        await asyncio.sleep(pause * random.uniform(0.8, 1.2))  # noqa: S311 - spreads restarts, guards nothing
        pause = min(pause * 2, 10)


async def until_open(opening: Loop, name: str) -> None:
    """Tries until it works: a service may start before the servers that it needs."""
    pause = 0.2
    while True:
        try:
            return await opening()
        except Exception as error:
            log.warning("start.waiting", what=name, error=type(error).__name__, detail=str(error)[:200])
        await asyncio.sleep(pause)
        pause = min(pause * 2, 5)
