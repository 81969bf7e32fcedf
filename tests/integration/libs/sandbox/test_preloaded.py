"""What a program that was imported before can and cannot do: as little as any other one in the sandbox (`test_sandbox`)."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import pytest_asyncio

from libs.sandbox.output import Finished
from libs.sandbox.preloaded import PreloadedPrograms
from libs.sandbox.sandbox import Limits, Sandbox
from tests.integration.libs.sandbox.test_sandbox import LIMITS, SECRET, is_gone
from tests.integration.services.transcoder.rig import until

PROGRAM = "tests.integration.libs.sandbox.given_code"
THREADS = "tests.integration.libs.sandbox.thread_at_import"
SECOND_FORK_FAILS = "tests.integration.libs.sandbox.second_fork_fails"


class Programs:
    def __init__(self, preloaded: PreloadedPrograms, folder: Path) -> None:
        self.preloaded = preloaded
        self.folder = folder

    async def run(self, code: str, limits: Limits = LIMITS, lines: list[str] | None = None) -> Finished:
        on_line = None if lines is None else lines.append
        return await self.preloaded.run(PROGRAM, [code], folder=self.folder, limits=limits, on_line=on_line)


@asynccontextmanager
async def preloaded(folder: Path) -> AsyncIterator[Programs]:
    programs = PreloadedPrograms(Sandbox("auto"), (PROGRAM,), {"GIVEN": "to all of them"})
    try:
        yield Programs(programs, folder)
    finally:
        await programs.close()


@pytest_asyncio.fixture
async def programs(tmp_path: Path) -> AsyncIterator[Programs]:
    assert Sandbox("strict").is_isolated
    async with preloaded(tmp_path) as started:
        yield started


async def test_output_and_status_come_back(programs: Programs) -> None:
    finished = await programs.run("import sys; print('out'); sys.exit('err')")

    assert (finished.code, finished.stdout, finished.stderr, finished.out_of) == (1, b"out\n", "err\n", None)


async def test_lines_come_as_they_are_written(programs: Programs) -> None:
    lines: list[str] = []

    finished = await programs.run("print('one'); print('two')", lines=lines)

    assert (finished.code, lines) == (0, ["one", "two"])


async def test_an_exception_is_told(programs: Programs) -> None:
    finished = await programs.run("1 / 0")

    assert finished.code == 1
    assert finished.stderr.endswith("ZeroDivisionError: division by zero\n")


async def test_the_signal_that_ended_it_is_told(programs: Programs) -> None:
    finished = await programs.run("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")

    assert finished.code == -signal.SIGSEGV


async def test_each_run_is_a_process_of_its_own(programs: Programs) -> None:
    code = "import builtins, os; print(os.getpid(), hasattr(builtins, 'left')); builtins.left = 'by another run'"

    pids = [(await programs.run(code)).stdout.split() for _ in range(2)]

    assert pids[0][0] != pids[1][0]
    assert pids[0][1] == pids[1][1] == b"False"


async def test_runs_at_the_same_time(programs: Programs) -> None:
    found = await asyncio.gather(*(programs.run(f"print({number})") for number in range(20)))

    assert [int(finished.stdout) for finished in found] == list(range(20))


async def test_it_works_in_its_folder(programs: Programs) -> None:
    finished = await programs.run("import os; print(os.getcwd(), os.environ['TMPDIR'], os.environ['HOME'])")

    assert finished.stdout.decode().split() == [str(programs.folder)] * 3


async def test_libvips_works_in_threads_and_in_that_folder(tmp_path: Path) -> None:
    """It was imported before the fork, which no thread survives, and before anybody knew the folder."""
    code = "import os, pyvips; print(pyvips.Image.black(3000, 3000).gaussblur(3).avg(), len(os.listdir('/proc/self/task')) > 1)"
    place = "import pyvips; print(pyvips.Image.new_temp_file('%s.v').filename)"
    programs = PreloadedPrograms(Sandbox("strict"), (PROGRAM, "pyvips"), {"VIPS_CONCURRENCY": "2"})

    blurred, placed = [await programs.run(PROGRAM, [given], folder=tmp_path, limits=LIMITS) for given in (code, place)]
    await programs.close()

    assert (blurred.stdout, blurred.stderr) == (b"0.0 True\n", "")
    assert Path(placed.stdout.decode().strip()).parent == tmp_path


async def test_nothing_can_be_reached(programs: Programs) -> None:
    server = await asyncio.start_server(lambda _r, w: w.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]

    finished = await programs.run(f"import socket; socket.create_connection(('127.0.0.1', {port}), 5)")
    server.close()

    assert finished.code == 1
    assert "Network is unreachable" in finished.stderr or "Cannot assign" in finished.stderr


async def test_our_environment_stays_ours(programs: Programs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SECRET, "a secret")

    finished = await programs.run("import os; print(sorted(os.environ))")

    assert SECRET.encode() not in finished.stdout
    assert b"GIVEN" in finished.stdout


async def test_no_file_is_inherited(programs: Programs) -> None:
    finished = await programs.run("import os; print(sorted(map(int, os.listdir('/proc/self/fd'))))")

    assert finished.stdout.strip() == b"[0, 1, 2, 3]"  # the last one is the look itself


async def test_no_capability_is_left(programs: Programs) -> None:
    finished = await programs.run("print(open('/proc/self/status').read())")

    status = dict(line.split(":\t") for line in finished.stdout.decode().splitlines() if ":\t" in line)
    assert {int(status[name], 16) for name in ("CapPrm", "CapEff", "CapBnd", "CapAmb")} == {0}
    assert status["NoNewPrivs"] == "1"


LOOK_AT_OTHERS = """
import os
for path in os.listdir("/proc"):
    if path.isdecimal() and int(path) != os.getpid():
        try:
            open(f"/proc/{path}/mem", "rb").close()
            print(path)
        except OSError:
            pass
"""


async def test_no_other_process_can_be_looked_into(programs: Programs) -> None:
    """Not the fork server, not one that it has forked before, nobody's."""
    lines: list[str] = []
    other = asyncio.create_task(programs.run("import time; print('there', flush=True); time.sleep(100)", lines=lines))
    await until(lambda: _true(lines))

    finished = await programs.run(LOOK_AT_OTHERS)
    other.cancel()
    await asyncio.wait([other])

    assert (finished.code, finished.stdout, finished.stderr) == (0, b"", "")


async def test_without_namespaces_none_may_be_looked_into(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What is forked is as hidden from others of the same user as the fork server is (`test_secrecy`)."""
    monkeypatch.setattr(Sandbox, "_probe", lambda _self: "Operation not permitted")
    pr_get_dumpable = 3

    async with preloaded(tmp_path) as programs:
        finished = await programs.run(f"import ctypes; print(ctypes.CDLL(None).prctl({pr_get_dumpable}, 0, 0, 0, 0))")

    assert finished.stdout == b"0\n"


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
async def test_limits_end_it(programs: Programs, code: str, limits: Limits, out_of: str) -> None:
    finished = await programs.run(code, limits)

    assert finished.code != 0
    assert finished.out_of == out_of
    assert (await programs.run("print('the next one')")).stdout == b"the next one\n"


async def test_limits_hold_without_namespaces(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(Sandbox, "_probe", lambda _self: "Operation not permitted")

    async with preloaded(tmp_path) as programs:
        finished = await programs.run("bytearray(2 << 30)")

    assert finished.out_of == "memory"


async def test_endless_words_do_not_fill_our_memory(programs: Programs) -> None:
    code = "import sys; [print('x' * 1000, file=f) for _ in range(5000) for f in (sys.stdout, sys.stderr)]"

    finished = await programs.run(code)

    assert finished.code == 0
    assert len(finished.stdout) == 1 << 20
    assert len(finished.stderr) == 8 << 10


async def test_nothing_that_it_started_survives_it(programs: Programs) -> None:
    finished = await programs.run("import subprocess; print(subprocess.Popen(['sleep', '100']).pid)")

    assert finished.code == 0
    for pid in map(int, finished.stdout.split()):
        await until(partial(is_gone, pid))


async def test_a_cancelled_caller_leaves_nothing_running(programs: Programs) -> None:
    lines: list[str] = []
    code = "import os, time; print(os.getpid(), flush=True); time.sleep(100)"
    running = asyncio.create_task(programs.run(code, lines=lines))
    await until(lambda: _true(lines))

    running.cancel()
    await asyncio.wait([running])

    assert running.cancelled()
    assert await is_gone(int(lines[0]))


async def test_a_caller_that_goes_as_its_program_ends_disturbs_nobody_else(programs: Programs) -> None:
    async def cancelled_after(seconds: float) -> None:
        running = asyncio.create_task(programs.run("pass"))
        await asyncio.wait([running], timeout=seconds)
        running.cancel()
        await asyncio.wait([running])

    lasting = asyncio.create_task(programs.run("import time; time.sleep(3); print('whole')"))
    for _ in range(6):
        await asyncio.gather(*(cancelled_after(milliseconds / 1000) for milliseconds in range(40)))

    assert (await lasting).stdout == b"whole\n"


async def test_it_dies_with_a_killed_parent(tmp_path: Path) -> None:
    parent = f"""
import asyncio, pathlib
from libs.sandbox.preloaded import PreloadedPrograms
from libs.sandbox.sandbox import Limits, Sandbox
code = "import os, time; print(os.getpid(), os.getppid(), flush=True); time.sleep(100)"
limits = Limits(wall_seconds=60, memory_bytes=1 << 30, cpu_seconds=9, file_bytes=0)
say = lambda line: print(line, flush=True)
programs = PreloadedPrograms(Sandbox("strict"), ["{PROGRAM}"])
asyncio.run(programs.run("{PROGRAM}", [code], folder=pathlib.Path("{tmp_path}"), limits=limits, on_line=say))
"""
    with subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        pids = (await asyncio.to_thread(process.stdout.readline)).split()
        process.send_signal(signal.SIGKILL)

    for pid in map(int, pids):
        await until(partial(is_gone, pid))


async def test_a_fork_server_that_died_is_started_again(programs: Programs) -> None:
    lines: list[str] = []
    code = "import os, time; print(os.getpid()); print(os.getppid(), flush=True); time.sleep(100)"
    running = asyncio.create_task(programs.run(code, lines=lines))
    await until(lambda: _true(len(lines) == 2))

    os.kill(int(lines[1]), signal.SIGKILL)

    assert (await running).code == -signal.SIGKILL
    await until(partial(is_gone, int(lines[0])))

    async def works_again() -> bool:
        return (await programs.run("print('again')")).stdout == b"again\n"

    await until(works_again)


async def test_a_process_that_cannot_be_forked_ends_no_other(tmp_path: Path) -> None:
    programs = Programs(PreloadedPrograms(Sandbox("auto"), (PROGRAM, SECOND_FORK_FAILS)), tmp_path)
    lines: list[str] = []
    lasting = asyncio.create_task(
        programs.run("import time; print('begun', flush=True); time.sleep(1); print('ended')", lines=lines)
    )
    await until(lambda: _true(lines))

    assert (await programs.run("pass")).code == -signal.SIGKILL
    assert (await lasting).code == 0
    assert lines == ["begun", "ended"]
    assert (await programs.run("pass")).code == 0
    await programs.preloaded.close()


async def test_a_module_with_threads_is_not_forked(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    programs = PreloadedPrograms(Sandbox("strict"), [THREADS])

    finished = await programs.run(THREADS, [], folder=tmp_path, limits=LIMITS)
    await programs.close()

    assert (finished.code, finished.stdout) == (-signal.SIGKILL, b"")
    assert "ThreadsError" in capfd.readouterr().err


async def _true(value: object) -> bool:
    return bool(value)
