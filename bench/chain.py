"""The whole chain: what one small upload costs from its registration to the webhook that tells of its end.

A burst of uploads is registered and PUT over a few connections at once; each is verified, promoted, inspected and told of by a
signed webhook. Printed per upload: CPU by process, SQL statements, commits and WAL. `python -m bench.chain [--uploads 400]`;
with `--distributed` every service is a process of its own on RabbitMQ and an S3 server.
"""

import argparse
import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import psycopg

from bench.distributed import distributed
from bench.standalone import data_folder, process, standalone
from deploy.demo_client import Demo

BODY = b"0123456789abcdef" * 64
"""1 KiB that no decoder opens."""
CONNECTIONS = 32


@dataclass(frozen=True)
class Target:
    """What a burst goes to, and where its cost is read."""

    name: str
    demo: Demo
    processes: Callable[[], Iterable[psutil.Process]]
    database: str
    """The DSN of a superuser."""
    database_log: Path
    notify: Callable[[str], Awaitable[None]] | None = None
    """Says that the object behind a signed URL was stored, where the store itself does not."""


@dataclass(frozen=True)
class Load:
    """What a burst took: seconds until the last webhook arrived, and CPU seconds by process meanwhile."""

    seconds: float
    cpu: Counter[str]
    commits: int
    wal_bytes: int


async def burst(target: Target, count: int) -> None:
    """Registers and PUTs `count` files, and returns when the webhook of each has arrived."""
    demo = target.demo
    waiting: set[str] = set()
    early: set[str] = set()
    slots = asyncio.Semaphore(CONNECTIONS)

    async def upload() -> None:
        body = {
            "owner": demo.credentials["org"],
            "uploader": "customer",
            "content_type": "application/octet-stream",
            "callback_url": demo.callback_url,
        }
        async with slots:
            created = await demo.call("POST", "/api/v1/uploads", body)
            waiting.add(created["id"])
            async with demo.http.put(created["upload_url"], data=BODY, headers=created["required_headers"]) as response:
                response.raise_for_status()
            if target.notify:
                await target.notify(created["upload_url"])

    async def listen() -> None:
        while len(early) < count:
            call = await demo.inbox.get()
            early.add(call["id"])

    await asyncio.gather(listen(), *(upload() for _ in range(count)))
    assert early == waiting


def cpu_seconds(processes: Iterable[psutil.Process]) -> Counter[str]:
    """By name of the service or server; children that ended are counted with their parents."""
    used: Counter[str] = Counter()
    for one in processes:
        try:
            times, command = one.cpu_times(), one.cmdline()
        except psutil.NoSuchProcess:
            continue
        used[_label(one, command)] += times.user + times.system
    return used


def _label(one: psutil.Process, command: list[str]) -> str:
    words = " ".join(command)
    if "postgres" in one.name():
        return "postgres"
    if one.name() in ("beam.smp", "erl_child_setup", "inet_gethost", "epmd"):
        return "rabbitmq"
    for word in command:
        if word.startswith("services."):
            return word.removeprefix("services.")
    return "python" if "deploy.standalone" in words else one.name()


async def measured(target: Target, count: int) -> Load:
    with psycopg.connect(target.database, autocommit=True) as connection:
        before, cpu_before = _counters(connection), cpu_seconds(target.processes())
        started = time.perf_counter()
        await burst(target, count)
        seconds = time.perf_counter() - started
        cpu = cpu_seconds(target.processes())
        cpu.subtract(cpu_before)
        connection.execute("SELECT pg_stat_force_next_flush()")
        after = _counters(connection)
    return Load(seconds, cpu, after[0] - before[0], after[1] - before[1])


def _counters(connection: "psycopg.Connection[tuple[int, int]]") -> tuple[int, int]:
    """Commits of all databases and bytes of WAL so far."""
    row = connection.execute(
        "SELECT (SELECT sum(xact_commit)::bigint FROM pg_stat_database), pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint"
    ).fetchone()
    assert row is not None
    return row


def logging_statements(database: str, *, on: bool) -> None:
    """Has the server write each statement into its log."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(f"ALTER SYSTEM SET log_statement = '{'all' if on else 'none'}'")
        connection.execute("SELECT pg_reload_conf()")


def report(name: str, load: Load, count: int) -> None:
    used = " ".join(f"{process} {1000 * seconds / count:.2f}" for process, seconds in load.cpu.most_common() if seconds > 0)
    print(f"{name}: {count} uploads in {load.seconds:.2f} s, {count / load.seconds:.0f}/s")
    print(f"  CPU per upload {1000 * sum(load.cpu.values()) / count:.2f} ms: {used}")
    print(f"  per upload: {load.commits / count:.2f} commits, {load.wal_bytes / count / 1024:.1f} KiB of WAL")


@asynccontextmanager
async def _standalone() -> AsyncIterator[Target]:
    async with standalone() as demo:
        root, folder = process(), data_folder()
        database = f"postgresql://postgres@/postgres?host={folder / 'run'}"
        yield Target("standalone", demo, lambda: [root, *root.children(recursive=True)], database, folder / "postgres.log")


@asynccontextmanager
async def _distributed() -> AsyncIterator[Target]:
    async with distributed() as found:
        yield Target("distributed", found.demo, found.processes, found.database, found.database_log, found.notify)


async def main(count: int, *, is_distributed: bool) -> None:
    async with _distributed() if is_distributed else _standalone() as target:
        await burst(target, 50)  # warm
        for _ in range(2):
            report(target.name, await measured(target, count), count)
            await asyncio.sleep(1)
        logging_statements(target.database, on=True)
        position = target.database_log.stat().st_size
        await burst(target, count)
        logging_statements(target.database, on=False)
        statements = _statements(target.database_log, position)
        print(f"  per upload: {sum(statements.values()) / count:.1f} SQL statements")
        for statement, times in statements.most_common(50):
            print(f"    {times / count:6.2f}  {statement}")


def _statements(log: Path, position: int) -> Counter[str]:
    """What was executed, by its first words."""
    with log.open(errors="replace") as lines:
        lines.seek(position)
        text = lines.read()
    found: Counter[str] = Counter()
    for chunk in text.split(" LOG:  ")[1:]:
        kind, _, statement = chunk.partition(": ")
        if kind.startswith(("execute", "statement")):
            found[" ".join(statement.split("\n2026")[0].split("DETAIL:")[0].split())[:110]] += 1
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--uploads", type=int, default=400)
    parser.add_argument("--distributed", action="store_true")
    arguments = parser.parse_args()
    asyncio.run(main(arguments.uploads, is_distributed=arguments.distributed))
