"""What a child that reads a stranger's bytes can and cannot do."""

import asyncio
import os
import signal
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from libs.sandbox.sandbox import Limits, Sandbox, SandboxUnavailableError
from tests.integration.services.transcoder.rig import until

LIMITS = Limits(wall_seconds=30, memory_bytes=1 << 30, cpu_seconds=30, file_bytes=1 << 20)
SECRET = "LONGSHORE_SECRET_KEY"


@pytest.fixture
def sandbox() -> Sandbox:
    return Sandbox("strict")


def python(code: str) -> list[str]:
    return [sys.executable, "-I", "-c", code]


async def test_output_and_status_come_back(sandbox: Sandbox, tmp_path: Path) -> None:
    finished = await sandbox.run(python("import sys; print('out'); sys.exit('err')"), folder=tmp_path, limits=LIMITS)

    assert (finished.code, finished.stdout, finished.stderr, finished.out_of) == (1, b"out\n", "err\n", None)


async def test_nothing_can_be_reached(sandbox: Sandbox, tmp_path: Path) -> None:
    server = await asyncio.start_server(lambda _r, w: w.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    code = f"import socket; socket.create_connection(('127.0.0.1', {port}), 5)"

    finished = await sandbox.run(python(code), folder=tmp_path, limits=LIMITS)
    server.close()

    assert finished.code == 1
    assert "Network is unreachable" in finished.stderr or "Cannot assign" in finished.stderr


async def test_our_environment_stays_ours(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SECRET, "a secret")

    finished = await sandbox.run(python("import os; print(sorted(os.environ))"), folder=tmp_path, limits=LIMITS)

    assert SECRET.encode() not in finished.stdout


async def test_no_capability_is_left(sandbox: Sandbox, tmp_path: Path) -> None:
    finished = await sandbox.run(["/bin/cat", "/proc/self/status"], folder=tmp_path, limits=LIMITS)

    status = dict(line.split(":\t") for line in finished.stdout.decode().splitlines() if ":\t" in line)
    assert {int(status[name], 16) for name in ("CapPrm", "CapEff", "CapBnd", "CapAmb")} == {0}
    assert status["NoNewPrivs"] == "1"


@pytest.mark.parametrize(
    ("code", "limits", "out_of"),
    [
        ("import time; time.sleep(60)", replace(LIMITS, wall_seconds=0.5), "time"),
        ("while True: pass", replace(LIMITS, cpu_seconds=1), "time"),
        ("bytearray(2 << 30)", LIMITS, "memory"),
        ("open('big', 'wb').write(bytes(2 << 20))", LIMITS, "space"),
    ],
    ids=["clock", "processor", "memory", "file"],
)
async def test_limits_end_it(sandbox: Sandbox, tmp_path: Path, code: str, limits: Limits, out_of: str) -> None:
    finished = await sandbox.run(python(code), folder=tmp_path, limits=limits)

    assert finished.code != 0
    assert finished.out_of == out_of


async def test_endless_words_do_not_fill_our_memory(sandbox: Sandbox, tmp_path: Path) -> None:
    code = "import sys; [print('x' * 1000, file=f) for _ in range(5000) for f in (sys.stdout, sys.stderr)]"

    finished = await sandbox.run(python(code), folder=tmp_path, limits=LIMITS)

    assert finished.code == 0
    assert len(finished.stdout) == 1 << 20
    assert len(finished.stderr) == 8 << 10


async def test_nothing_that_it_started_survives_it(sandbox: Sandbox, tmp_path: Path) -> None:
    code = "import subprocess; print(subprocess.Popen(['sleep', '100']).pid)"

    finished = await sandbox.run(python(code), folder=tmp_path, limits=replace(LIMITS, wall_seconds=2))

    assert finished.out_of == "time" or finished.code == 0
    for pid in map(int, finished.stdout.split()):
        await until(partial(is_gone, pid))


async def test_a_cancelled_caller_leaves_nothing_running(sandbox: Sandbox, tmp_path: Path) -> None:
    pids: list[int] = []
    code = "import os, time; print(os.getpid(), flush=True); time.sleep(100)"
    running = asyncio.create_task(
        sandbox.run(python(code), folder=tmp_path, limits=LIMITS, on_line=lambda line: pids.append(int(line)))
    )

    async def started() -> bool:
        return bool(pids)

    await until(started)
    running.cancel()
    await asyncio.wait([running])

    assert running.cancelled()
    assert await is_gone(pids[0])


async def test_it_dies_with_a_killed_parent(tmp_path: Path) -> None:
    parent = f"""
import asyncio, pathlib
from libs.sandbox.sandbox import Limits, Sandbox
child = ["{sys.executable}", "-I", "-c", "import os, time; print(os.getpid(), flush=True); time.sleep(100)"]
limits = Limits(wall_seconds=60, memory_bytes=1 << 30, cpu_seconds=9, file_bytes=0)
say = lambda line: print(line, flush=True)
asyncio.run(Sandbox("strict").run(child, folder=pathlib.Path("{tmp_path}"), limits=limits, on_line=say))
"""
    with subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        child = int(await asyncio.to_thread(process.stdout.readline))
        process.send_signal(signal.SIGKILL)

    await until(lambda: is_gone(child))


def test_strict_refuses_to_start_without_namespaces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Sandbox, "_probe", lambda _self: "Operation not permitted")

    with pytest.raises(SandboxUnavailableError, match=r"LONGSHORE_SANDBOX=auto .*: Operation not permitted"):
        Sandbox("strict")
    assert not Sandbox("auto").is_isolated


async def test_without_namespaces_the_limits_still_hold(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(Sandbox, "_probe", lambda _self: "Operation not permitted")

    finished = await Sandbox("auto").run(python("bytearray(2 << 30)"), folder=tmp_path, limits=LIMITS)

    assert finished.out_of == "memory"


async def is_gone(pid: int) -> bool:
    """Ended; nobody may have reaped it yet."""
    try:
        return "\nState:\tZ" in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return True
    finally:
        assert pid != os.getpid()
