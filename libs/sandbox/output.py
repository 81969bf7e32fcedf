"""What a program in the sandbox says, and how it ended."""

import asyncio
import signal
from asyncio import StreamReader
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Literal

MAX_STDERR: Final = 8 << 10
MAX_STDOUT: Final = 1 << 20
LINE_LIMIT: Final = 64 << 10

OnLine = Callable[[str], None]


@dataclass(frozen=True)
class Finished:
    """How a program ended. Exactly one of three: `code` 0, a failure, or `out_of` something it was not given more of."""

    code: int
    """Exit status; negative: the signal that ended it."""
    stdout: bytes
    stderr: str
    """The last `MAX_STDERR` bytes."""
    out_of: Literal["time", "memory", "space"] | None = None


async def watch(
    exit_status: Awaitable[int], stdout: StreamReader, stderr: StreamReader, wall_seconds: float, on_line: OnLine | None
) -> Finished:
    """Reads to the end of all three, as long as there is time; the caller kills what is left then."""
    try:
        async with asyncio.timeout(wall_seconds), asyncio.TaskGroup() as group:
            errors = group.create_task(_tail(stderr, MAX_STDERR))
            output = group.create_task(_lines(stdout, on_line) if on_line else _head(stdout, MAX_STDOUT))
            code = await exit_status
    except TimeoutError:
        return Finished(-signal.SIGKILL, b"", "", out_of="time")
    said = errors.result().decode(errors="replace")
    return Finished(code, output.result(), said, out_of=_out_of(code, said))


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
