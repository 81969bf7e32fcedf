"""What an upload leaves behind, and whether later ones cost more for it.

A burst of uploads goes through a whole standalone. Printed per upload: the bytes that each table keeps, the write-ahead log
that each table caused, and how many updates touched no index (HOT). Then a past is put in: the rows of one upload, copied
under new ids. The same burst once more tells what such a past costs: CPU per upload, beside the same without it.
`python -m bench.growth [--uploads 400] [--past 100000]`.
"""

import argparse
import asyncio
import re
import subprocess
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from bench.chain import burst, measured, report
from bench.standalone import data_folder
from bench.target import target
from deploy.postgres.embedded import binaries
from deploy.postgres.prepare import SERVICES

AIM_BYTES = 5 * 1024
AIM_COST = 1.05
SHOWN = 24
COPY_AT_ONCE = 20_000

Connection = psycopg.Connection[tuple[Any, ...]]

TABLES = """
    SELECT n.nspname || '.' || coalesce(p.relname, c.relname), pg_total_relation_size(c.oid)
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_inherits i ON i.inhrelid = c.oid LEFT JOIN pg_class p ON p.oid = i.inhparent
    WHERE c.relkind = 'r' AND n.nspname = ANY (%s)
"""
UPDATES = """
    SELECT schemaname || '.' || relname, n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE n_tup_upd > 0
"""
FILES = """
    SELECT c.relfilenode::text,
           n.nspname || '.' || coalesce(owner.relname, c.relname) || CASE c.relkind WHEN 'i' THEN ' (index ' || c.relname || ')'
                                                                         ELSE '' END
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_index x ON x.indexrelid = c.oid LEFT JOIN pg_class owner ON owner.oid = x.indrelid
    WHERE c.relfilenode <> 0
"""
COLUMNS = """
    SELECT attname FROM pg_attribute
    WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = '' AND attidentity = ''
"""

PAST = {
    "gateway.uploads": "id",
    "gateway.upload_events": "upload_id",
    "gateway.deliveries": "upload_id",
    "session.sessions": "upload_id",
    "storage_notification.expected_objects": "upload_id",
    "transcoder.job": "upload_id",
    "delivery.uploads": "upload_id",
    "delivery.files": "upload_id",
    "delivery.webhooks": "upload_id",
}
"""The tables that keep something of every upload, each with its column for the upload."""
RENEWED = ("event_id", "delivery_id", "staging_key", "object_key", "key", "name")
"""Columns that differ from upload to upload besides: they are copied with the new upload's id in them."""


@dataclass(frozen=True)
class Updates:
    all: int
    hot: int


def sizes(connection: Connection) -> Counter[str]:
    found: Counter[str] = Counter()
    for name, size in connection.execute(TABLES, [list(SERVICES)]):
        found[name] += size
    return found


def vacuum(connection: Connection) -> None:
    """What autovacuum does sooner or later."""
    connection.execute("VACUUM (ANALYZE)")


def updates(connection: Connection) -> dict[str, Updates]:
    connection.execute("SELECT pg_stat_force_next_flush()")
    return {name: Updates(total, hot) for name, total, hot in connection.execute(UPDATES)}


def position(connection: Connection) -> str:
    row = connection.execute("SELECT pg_current_wal_lsn()").fetchone()
    assert row is not None
    return str(row[0])


def log_by_table(folder: Path, connection: Connection, start: str, end: str) -> Counter[str]:
    """Bytes of write-ahead log between two positions, by what they are about."""
    names: dict[str, str] = dict(connection.execute(FILES).fetchall())
    command = [str(binaries() / "pg_waldump"), "--path", str(folder / "pg_wal"), "--start", start, "--end", end]
    lines = subprocess.run(command, check=False, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout
    found: Counter[str] = Counter()
    for line in lines.splitlines():
        length = re.search(r"len \(rec/tot\):\s*\d+/\s*(\d+)", line)
        relation = re.search(r"rel \d+/\d+/(\d+)", line)
        if length:
            image = " page images" if "FPW" in line else ""
            kind = line.split("rmgr: ", 1)[1].split()[0]
            found[names.get(relation[1], "dropped" if relation else "") + image if relation else f"[{kind}]"] += int(length[1])
    return found


def show_log(found: Counter[str], count: int) -> None:
    print(f"  write-ahead log per upload: {sum(found.values()) / count / 1024:.1f} KiB")
    for name, size in found.most_common(SHOWN):
        print(f"    {size / count:7.0f} B  {name}")


def show_sizes(before: Counter[str], after: Counter[str], count: int) -> None:
    grown = Counter({name: after[name] - before[name] for name in after})
    total = sum(grown.values()) / count
    print(f"  kept per upload: {total:.0f} B{'' if total <= AIM_BYTES else f'  above {AIM_BYTES}'}")
    for name, size in grown.most_common():
        if size > 0:
            print(f"    {size / count:7.0f} B  {name}")


def show_updates(before: dict[str, Updates], after: dict[str, Updates], count: int) -> None:
    print("  updates per upload, and how many of them touched no index")
    for name, now in sorted(after.items(), key=lambda item: -item[1].all):
        then = before.get(name, Updates(0, 0))
        if changed := now.all - then.all:
            print(f"    {changed / count:5.2f}  {(now.hot - then.hot) / changed:5.0%}  {name}")


def put_in_past(connection: Connection, count: int) -> None:
    """`count` copies of the newest upload that has all its rows; then what autovacuum would do."""
    connection.execute("CREATE TEMPORARY TABLE past (old uuid, new uuid)")
    for done in range(0, count, COPY_AT_ONCE):
        connection.execute("TRUNCATE past")
        connection.execute(
            "INSERT INTO past SELECT old.upload_id, gen_random_uuid() FROM generate_series(1, %s), "
            "(SELECT upload_id FROM delivery.webhooks WHERE status = 'delivered' ORDER BY created_at DESC LIMIT 1) old",
            [min(COPY_AT_ONCE, count - done)],
        )
        for table, key in PAST.items():
            copy_rows(connection, table, key)
    for table in PAST:
        connection.execute(f"VACUUM (ANALYZE) {table}")
    connection.execute("CHECKPOINT")


def copy_rows(connection: Connection, table: str, key: str) -> None:
    columns = [str(name) for (name, *_) in connection.execute(COLUMNS, [table])]
    values = ", ".join(copied(column, key, table) for column in columns)
    connection.execute(
        f"INSERT INTO {table} ({', '.join(columns)}) SELECT {values} FROM past JOIN {table} t ON t.{key} = past.old"
    )


def copied(column: str, key: str, table: str) -> str:
    if column == key:
        return "past.new"
    if column in ("event_id", "delivery_id") or (table, column) == ("delivery.webhooks", "id"):
        return "gen_random_uuid()"
    if column in RENEWED:
        return f"replace(t.{column}, past.old::text, past.new::text)"
    return f"t.{column}"


async def main(count: int, past: int) -> None:
    async with target(is_distributed=False) as to:
        folder = data_folder()
        await burst(to, 50)  # warm
        with psycopg.connect(to.database, autocommit=True) as connection:
            connection.execute("CHECKPOINT")
            await burst(to, count)  # what it leaves free, the next one fills; pages are in the log once
            vacuum(connection)
            sizes_before, updates_before, start = sizes(connection), updates(connection), position(connection)
            empty = await measured(to, count)
            await asyncio.sleep(2)
            end = position(connection)
            report("without a past", empty, count)
            show_log(log_by_table(folder / "postgres", connection, start, end), count)
            vacuum(connection)
            show_sizes(sizes_before, sizes(connection), count)
            show_updates(updates_before, updates(connection), count)
            if not past:
                return
            put_in_past(connection, past)
        await burst(to, 50)
        full = await measured(to, count)
        report(f"with {past} past uploads", full, count)
        cost = sum(full.cpu.values()) / sum(empty.cpu.values())
        print(f"  cost beside the same without: {cost:.2f}{'' if cost <= AIM_COST else f'  above {AIM_COST}'}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--uploads", type=int, default=400)
    parser.add_argument("--past", type=int, default=100_000, help="0: only what one upload leaves behind")
    arguments = parser.parse_args()
    asyncio.run(main(arguments.uploads, arguments.past))
