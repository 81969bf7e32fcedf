"""What one installation has for itself on a machine: its data folder and its two ports."""

import errno
import fcntl
import os
import signal
import socket
from pathlib import Path
from types import TracebackType
from typing import Any


class PlaceTakenError(Exception):
    """Another process has the folder or the port, or they are not to be had at all."""

    code = "place_taken"


class DataFolder:
    """`with DataFolder(path) as folder`: made if need be, and locked for as long as the process lives."""

    def __init__(self, path: Path) -> None:
        self._path = path.expanduser().absolute()
        self._lock = -1

    def __enter__(self) -> Path:
        try:
            self._path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = os.open(self._path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise PlaceTakenError(f"LONGSHORE_DATA_DIR {self._path}: {error.strerror}") from None
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise PlaceTakenError(f"another process already uses {self._path}; set LONGSHORE_DATA_DIR") from None
        return self._path

    def __exit__(self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None) -> None:
        os.close(self._lock)


def bind(variable: str, host: str, port: int) -> socket.socket:
    """A listening socket; connections wait in its queue until they are served. Port 0 takes a free one."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=1024)
    except OSError as error:
        reason = "is already in use" if error.errno == errno.EADDRINUSE else f"cannot be used ({os.strerror(error.errno or 0)})"
        raise PlaceTakenError(f"{host}:{port} {reason}; set {variable}") from None


def stop_on_sigterm() -> None:
    """While nothing else listens for it, SIGTERM ends the process like Ctrl-C: what was started is stopped again."""

    def interrupt(_signal: int, _frame: Any) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)
