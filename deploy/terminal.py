"""Words for a person at a terminal, and for a log where there is none."""

import sys
import time
from collections.abc import Sequence
from types import TracebackType

FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
IS_TERMINAL = sys.stdout.isatty()


def step(title: str) -> None:
    print(f"\n{_bold(title)}", flush=True)


def say(text: str) -> None:
    print(f"  {text}", flush=True)


def table(title: str, rows: Sequence[Sequence[str]]) -> None:
    say(f"{title}:")
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))] if rows else []
    for row in rows:
        say("  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


class Progress:
    """One line that is written over while something goes on; without a terminal, a line for each change."""

    def __init__(self, label: str) -> None:
        self._label = label
        self._started = time.monotonic()
        self._shown = ""
        self._count = 0

    def __enter__(self) -> "Progress":
        return self

    def show(self, state: str, percent: int) -> None:
        text = f"{self._label}: {state.lower().replace('_', ' ')}, {percent} %"
        if IS_TERMINAL:
            self._count += 1
            frame = FRAMES[self._count % len(FRAMES)]
            print(f"\r\033[K  {frame} {text} ({time.monotonic() - self._started:.0f} s)", end="", flush=True)
        elif text != self._shown:
            say(text)
        self._shown = text

    def __exit__(self, kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None) -> None:
        if IS_TERMINAL:
            print("\r\033[K", end="")
            if kind is None:
                say(f"{self._shown} ({time.monotonic() - self._started:.1f} s)")


def _bold(text: str) -> str:
    return f"\033[1m{text}\033[0m" if IS_TERMINAL else text
