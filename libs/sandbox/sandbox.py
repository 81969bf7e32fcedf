"""Runs a program that reads a stranger's bytes: no network, few resources, an end in time.

What the program may cost is in `Limits`; how it is confined is in `launcher`. stderr is for the log at most, never for
clients.
"""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Final, Literal

import structlog

LAUNCHER: Final = Path(__file__).with_name("launcher.py")
PYTHON: Final = (sys.executable, "-I")
MAX_STDERR: Final = 8 << 10
MAX_STDOUT: Final = 1 << 20
LINE_LIMIT: Final = 64 << 10

log = structlog.get_logger()

OnLine = Callable[[str], None]


class SandboxUnavailableError(Exception):
    """Media cannot be cut off from the network here; LONGSHORE_SANDBOX=auto goes on without."""

    code = "sandbox_unavailable"

    def __init__(self, detail: str) -> None:
        super().__init__(f"{type(self).__doc__} The kernel refuses a user namespace: {detail}")


@dataclass(frozen=True)
class Limits:
    wall_seconds: float
    memory_bytes: int
    """Address space, shared libraries included."""
    cpu_seconds: int
    """Of all threads together."""
    file_bytes: int
    """Largest file it may write."""
    open_files: int = 128
    nice: int = 10


@dataclass(frozen=True)
class Finished:
    """How a program ended. Exactly one of three: `code` 0, a failure, or `out_of` something it was not given more of."""

    code: int
    """Exit status; negative: the signal that ended it."""
    stdout: bytes
    stderr: str
    """The last `MAX_STDERR` bytes."""
    out_of: Literal["time", "memory", "space"] | None = None


class Sandbox:
    def __init__(self, mode: Literal["strict", "auto"]) -> None:
        """Finds out what this machine allows; blocks for a moment. Raises SandboxUnavailableError."""
        detail = self._probe()
        if detail is not None and mode == "strict":
            raise SandboxUnavailableError(detail)
        if detail is not None:
            log.warning("sandbox.without-namespaces", detail=detail)
        self.is_isolated = detail is None

    async def run(
        self,
        program: Sequence[str],
        *,
        folder: Path,
        limits: Limits,
        variables: Mapping[str, str] | None = None,
        on_line: OnLine | None = None,
    ) -> Finished:
        """Runs `program` in `folder` to its end; `on_line` gets each line of stdout instead of the result.

        Its environment is empty but for what any program needs and `variables`. The whole process group is killed when the
        time is up and when the caller is cancelled.
        """
        environment = _environment(folder) | dict(variables or {})
        process = await asyncio.create_subprocess_exec(
            *_launch(program, limits, isolate=self.is_isolated), cwd=folder, env=environment, start_new_session=True,
            limit=LINE_LIMIT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        assert process.stdout is not None and process.stderr is not None
        in_time = True
        try:
            async with asyncio.timeout(limits.wall_seconds), asyncio.TaskGroup() as group:
                errors = group.create_task(_tail(process.stderr, MAX_STDERR))
                output = group.create_task(_lines(process.stdout, on_line) if on_line else _head(process.stdout, MAX_STDOUT))
                group.create_task(process.wait())
        except TimeoutError:
            in_time = False
        finally:
            await _kill(process)
        if not in_time:
            return Finished(process.returncode or -signal.SIGKILL, b"", "", out_of="time")
        assert process.returncode is not None
        stderr = errors.result().decode(errors="replace")
        return Finished(process.returncode, output.result(), stderr, out_of=_out_of(process.returncode, stderr))

    @staticmethod
    @cache
    def _probe() -> str | None:
        """None where a child can be isolated, else the reason. The machine does not change while we live."""
        limits = Limits(wall_seconds=10, memory_bytes=1 << 30, cpu_seconds=10, file_bytes=0)
        command = _launch([sys.executable, "-I", "-S", "-c", ""], limits, isolate=True)
        result = subprocess.run(command, capture_output=True, timeout=limits.wall_seconds, check=False)  # noqa: S603
        if result.returncode == 0:
            return None
        lines = result.stderr.decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else f"exit status {result.returncode}"


def _launch(program: Sequence[str], limits: Limits, *, isolate: bool) -> list[str]:
    given = json.dumps({"isolate": isolate, "parent": os.getpid(), **asdict(limits)})
    return [*PYTHON, "-S", str(LAUNCHER), given, *program]


def _environment(folder: Path) -> dict[str, str]:
    """Nothing of ours: settings hold secrets."""
    return {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "HOME": str(folder), "TMPDIR": str(folder)}


_NO_MEMORY: Final = (
    "Cannot allocate memory", "Resource temporarily unavailable", "MemoryError", "std::bad_alloc", "malloc of size",
)  # fmt: skip
"""What ffmpeg, its libraries and Python say when the address space is used up; without it no thread starts either."""


def _out_of(code: int, stderr: str) -> Literal["time", "memory", "space"] | None:
    if code == 0:
        return None
    if code == -signal.SIGXCPU:
        return "time"
    if code == -signal.SIGXFSZ or "File too large" in stderr:
        return "space"
    return "memory" if any(words in stderr for words in _NO_MEMORY) else None


async def _kill(process: asyncio.subprocess.Process) -> None:
    """The group, even where its leader has ended: nothing it started stays, and nothing keeps our pipes open."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    await asyncio.shield(asyncio.gather(process.wait(), _drain(process.stdout), _drain(process.stderr)))


async def _drain(stream: asyncio.StreamReader | None) -> None:
    while stream is not None and await stream.read(LINE_LIMIT):
        pass


async def _tail(stream: asyncio.StreamReader, size: int) -> bytes:
    kept = b""
    while chunk := await stream.read(size):
        kept = (kept + chunk)[-size:]
    return kept


async def _head(stream: asyncio.StreamReader, size: int) -> bytes:
    kept = b""
    while chunk := await stream.read(size):
        kept += chunk[: size - len(kept)]
    return kept


async def _lines(stream: asyncio.StreamReader, on_line: OnLine) -> bytes:
    async for line in stream:
        on_line(line.decode(errors="replace").strip())
    return b""
