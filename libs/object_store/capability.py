"""What some object stores can do besides, for whoever sends their objects to clients."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import ParamSpec, Protocol, TypeVar, runtime_checkable

_P = ParamSpec("_P")
_T = TypeVar("_T")


@runtime_checkable
class KeepsFiles(Protocol):
    """Each object is a local file, at `PeekedObject.file_path` below `files_folder`."""

    @property
    def files_folder(self) -> Path: ...

    async def run_reader(self, work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Does blocking work in one of the threads that read. Cancelled, it still waits for that work to end."""


@runtime_checkable
class SignsReads(Protocol):
    """Clients can be sent to the store itself."""

    def presign_get(self, key: str, *, expires_in: timedelta, content_type: str, disposition: str, cache_control: str) -> str:
        """An absolute URL for GETs of one object, signed without I/O; the store answers with these headers, whatever it knows
        of the object. A `Range` may be asked for."""
