"""What some object stores can do besides, for whoever sends their objects to clients."""

from collections.abc import Callable
from datetime import timedelta
from typing import BinaryIO, ParamSpec, Protocol, TypeVar, runtime_checkable

_P = ParamSpec("_P")
_T = TypeVar("_T")


@runtime_checkable
class KeepsFiles(Protocol):
    """Each object lies in a local file."""

    async def open_file(self, key: str, *, match_etag: str | None = None) -> BinaryIO:
        """A file that begins with the object's bytes, which stay readable when the object is replaced or deleted meanwhile.

        Whoever asked for it closes it. Raises ObjectNotFoundError or ObjectChangedError.
        """

    async def run_reader(self, work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Does blocking work in one of the threads that read. Cancelled, it still waits for that work to end."""


@runtime_checkable
class SignsReads(Protocol):
    """Clients can be sent to the store itself."""

    def presign_get(self, key: str, *, expires_in: timedelta, content_type: str, disposition: str, cache_control: str) -> str:
        """An absolute URL for GETs of one object, signed without I/O; the store answers with these headers, whatever it knows
        of the object. A `Range` may be asked for."""
