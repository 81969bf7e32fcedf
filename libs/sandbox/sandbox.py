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
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Final, Literal

import structlog

from libs.sandbox.output import LINE_LIMIT, Finished, OnLine, watch

LAUNCHER: Final = Path(__file__).with_name("launcher.py")
PYTHON: Final = (sys.executable, "-I")

log = structlog.get_logger()


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
        process = await asyncio.create_subprocess_exec(
            *_launch(program, limits, isolate=self.is_isolated), cwd=folder,
            env=environment(folder) | dict(variables or {}), start_new_session=True,
            limit=LINE_LIMIT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        assert process.stdout is not None and process.stderr is not None
        try:
            return await watch(process.wait(), process.stdout, process.stderr, limits.wall_seconds, on_line)
        finally:
            await _kill(process)

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


def environment(folder: Path) -> dict[str, str]:
    """Nothing of ours: settings hold secrets."""
    return {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "HOME": str(folder), "TMPDIR": str(folder)}


async def _kill(process: asyncio.subprocess.Process) -> None:
    """The group, even where its leader has ended: nothing it started stays, and nothing keeps our pipes open."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    await asyncio.shield(asyncio.gather(process.wait(), _drain(process.stdout), _drain(process.stderr)))


async def _drain(stream: asyncio.StreamReader | None) -> None:
    while stream is not None and await stream.read(LINE_LIMIT):
        pass
