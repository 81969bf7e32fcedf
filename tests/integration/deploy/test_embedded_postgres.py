"""The server that standalone starts for itself."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import asyncpg
import psutil
import pytest

from deploy.postgres.embedded import EmbeddedPostgres

KILLED = """
import os, sys
from pathlib import Path
from deploy.postgres.embedded import EmbeddedPostgres
EmbeddedPostgres(Path(sys.argv[1])).start()
os.kill(os.getpid(), 9)
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    with TemporaryDirectory(prefix="longshore-test-") as name:
        yield Path(name)


async def test_what_was_committed_survives_a_stop_and_a_start(folder: Path) -> None:
    server = EmbeddedPostgres(folder / "postgres")
    server.start()
    await _execute(server, "CREATE TABLE kept (n int); INSERT INTO kept VALUES (1)")
    server.stop()

    again = EmbeddedPostgres(folder / "postgres")
    again.start()
    try:
        assert await _execute(again, "INSERT INTO kept VALUES (2)") == "INSERT 0 1"
    finally:
        again.stop()
    assert not (folder / "postgres" / "postmaster.pid").exists()


def test_it_is_told_no_secret_of_ours(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LONGSHORE_SECRET_KEY", "known")
    server = EmbeddedPostgres(folder / "postgres")
    server.start()
    try:
        pid = int((folder / "postgres" / "postmaster.pid").read_text().split()[0])
        assert "LONGSHORE_SECRET_KEY" not in psutil.Process(pid).environ()
    finally:
        server.stop()


async def test_a_server_that_a_killed_process_left_behind_is_replaced(folder: Path) -> None:
    killed = subprocess.run([sys.executable, "-c", KILLED, str(folder / "postgres")], check=False, timeout=60)
    assert killed.returncode == -signal.SIGKILL
    left = int((folder / "postgres" / "postmaster.pid").read_text().split()[0])
    assert psutil.pid_exists(left)

    server = EmbeddedPostgres(folder / "postgres")
    server.start()
    try:
        assert await _execute(server, "CREATE TABLE t (n int)") == "CREATE TABLE"
        assert not psutil.pid_exists(left)
    finally:
        server.stop()


async def test_a_note_with_the_pid_of_another_program_is_no_obstacle(folder: Path) -> None:
    server = EmbeddedPostgres(folder / "postgres")
    server.start()
    note = (folder / "postgres" / "postmaster.pid").read_text()
    server.stop()
    (folder / "postgres" / "postmaster.pid").write_text(note.replace(note.split()[0], str(os.getpid()), 1))

    server.start()
    try:
        assert await _execute(server, "CREATE TABLE t (n int)") == "CREATE TABLE"
    finally:
        server.stop()


@pytest.mark.parametrize("name", ["long" * 30, "a b,c"])
async def test_folders_may_have_long_and_odd_names(folder: Path, name: str) -> None:
    (folder / name).mkdir()
    server = EmbeddedPostgres(folder / name / "postgres")
    server.start()
    try:
        assert await _execute(server, "CREATE TABLE t (n int)") == "CREATE TABLE"
    finally:
        server.stop()


async def test_nobody_else_may_open_the_socket(folder: Path) -> None:
    server = EmbeddedPostgres(folder / "postgres")
    server.start()
    try:
        assert (folder / "run").stat().st_mode & 0o077 == 0
        assert (folder / "postgres").stat().st_mode & 0o077 == 0
    finally:
        server.stop()


async def _execute(server: EmbeddedPostgres, statement: str) -> str:
    connection = await asyncpg.connect(server.dsn, timeout=10)
    try:
        return str(await connection.execute(statement))
    finally:
        await connection.close()
