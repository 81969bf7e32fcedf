"""The whole chain: what one small upload costs from its registration to the webhook that tells of its end.

A burst of uploads is registered and PUT over a few connections at once; each is verified, promoted, inspected and told of by a
signed webhook. Printed per upload: CPU by process, SQL statements, commits and WAL. `python -m bench.chain [--uploads 400]`;
with `--distributed` every service is a process of its own on RabbitMQ and an S3 server.
"""

import argparse
import asyncio
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import psycopg

from bench.target import Target, target

CONNECTIONS = 32


@dataclass(frozen=True)
class Load:
    """What a burst took: seconds until the last webhook arrived, and CPU seconds by process meanwhile."""

    seconds: float
    cpu: Counter[str]
    commits: int
    wal_bytes: int


async def burst(to: Target, count: int) -> None:
    """Uploads `count` files, and returns when the webhook of each has arrived."""
    stored: set[str] = set()
    told: set[str] = set()
    slots = asyncio.Semaphore(CONNECTIONS)

    async def upload() -> None:
        async with slots:
            stored.add(await to.upload())

    async def listen() -> None:
        while len(told) < count:
            call = await to.demo.inbox.get()
            told.add(call["id"])

    await asyncio.gather(listen(), *(upload() for _ in range(count)))
    assert told == stored


async def measured(to: Target, count: int) -> Load:
    with psycopg.connect(to.database, autocommit=True) as connection:
        before, cpu_before = _counters(connection), to.cpu_seconds()
        started = time.perf_counter()
        await burst(to, count)
        seconds = time.perf_counter() - started
        cpu = to.cpu_seconds()
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


async def main(count: int, *, is_distributed: bool) -> None:
    async with target(is_distributed=is_distributed) as to:
        await burst(to, 50)  # warm
        for _ in range(2):
            report(to.name, await measured(to, count), count)
            await asyncio.sleep(1)
        logging_statements(to.database, on=True)
        position = to.database_log.stat().st_size
        await burst(to, count)
        logging_statements(to.database, on=False)
        statements = _statements(to.database_log, position)
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
