"""What forces bytes to the disk, counted as `strace` would."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest


class DurableWrites:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.synced: list[str] = []
        """The names of the files and folders, in order."""
        for name in ("fsync", "fdatasync"):
            monkeypatch.setattr(os, name, self._watched(getattr(os, name)))

    @property
    def count(self) -> int:
        return len(self.synced)

    def _watched(self, original: Callable[[int], None]) -> Callable[[int], None]:
        def sync(fd: int) -> None:
            self.synced.append(Path(f"/proc/self/fd/{fd}").readlink().name)
            original(fd)

        return sync
