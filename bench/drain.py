"""How fast a service works off what waited for it while it was stopped: `python -m bench.drain [--uploads 2000]`.

Every service is a process of its own. One is stopped, the uploads are made, then it starts again. The time counts from the
moment that it is ready until the last upload has gone through it; its CPU time is beside it.
"""

import argparse
import asyncio
import time
from collections.abc import Mapping
from typing import Final

import psycopg

from bench.distributed import Distributed, distributed
from bench.target import Target

DONE: Final[Mapping[str, str]] = {
    "storage_notification": "SELECT count(*) FROM session.sessions WHERE state <> 'registered'",
    "session": "SELECT count(*) FROM session.sessions WHERE state = 'completed'",
    "transcoder": "SELECT count(*) FROM transcoder.job WHERE state = 'completed'",
    "delivery": "SELECT count(*) FROM delivery.webhooks WHERE status = 'delivered'",
}
"""How many uploads have gone through a service, seen where it shows."""
BEFORE: Final = {
    "storage_notification": "SELECT count(*) FROM gateway.uploads",
    "session": "SELECT count(*) FROM storage_notification.expected_objects WHERE announced_at IS NOT NULL",
    "transcoder": DONE["session"],
    "delivery": DONE["transcoder"],
}
"""How many have come as far as to the service."""
CONNECTIONS = 32


async def main(count: int) -> None:
    async with distributed() as found:
        to = Target("distributed", found.demo, found.processes, found.database, found.database_log, found.notify)
        for service in DONE:
            await drain(found, to, service, count)


async def drain(found: Distributed, to: Target, service: str, count: int) -> None:
    process = found.platform.processes[service]
    with psycopg.connect(found.database, autocommit=True) as connection:
        done_before, before = _count(connection, DONE[service]), _count(connection, BEFORE[service])
        await asyncio.to_thread(process.stop)
        slots = asyncio.Semaphore(CONNECTIONS)
        sender = (
            to if service != "storage_notification" else Target(to.name, to.demo, to.processes, to.database, to.database_log)
        )

        async def upload() -> None:
            async with slots:
                await sender.upload()

        await asyncio.gather(*(upload() for _ in range(count)))
        await asyncio.to_thread(_wait, connection, BEFORE[service], before + count)
        cpu = to.cpu_seconds()
        await asyncio.to_thread(process.start)
        started = time.perf_counter()
        await asyncio.to_thread(_wait, connection, DONE[service], done_before + count)
        seconds = time.perf_counter() - started
        used = 1000 * (to.cpu_seconds()[service]) / count
        rest = 1000 * (sum(to.cpu_seconds().values()) - sum(cpu.values())) / count
        print(
            f"{service}: {count} uploads in {seconds:.1f} s, {count / seconds:.0f}/s; {used:.2f} ms CPU each with its start, "
            f"{rest:.2f} of all processes",
            flush=True,
        )
        await asyncio.to_thread(_wait, connection, DONE["delivery"], _count(connection, BEFORE["storage_notification"]))


def _wait(connection: "psycopg.Connection[tuple[int]]", query: str, count: int) -> None:
    while _count(connection, query) < count:
        time.sleep(0.05)


def _count(connection: "psycopg.Connection[tuple[int]]", query: str) -> int:
    row = connection.execute(query.encode()).fetchone()
    assert row is not None
    return row[0]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--uploads", type=int, default=2000)
    asyncio.run(main(parser.parse_args().uploads))
