"""Several objects out of one body, for stores that write in threads of their own: all of them, or none."""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import ParamSpec, Protocol, TypeVar, runtime_checkable

from libs.object_store.port import ObjectInfo

_P = ParamSpec("_P")
_T = TypeVar("_T")


@dataclass(frozen=True)
class Target:
    key: str
    content_type: str


class Batch(Protocol):
    """Blocking: for `TakesBatches.run`."""

    def begin(self) -> None:
        """The next object; `write` appends to it until `end`."""

    def write(self, buffer: bytearray, start: int, stop: int) -> None:
        """Appends `buffer[start:stop]`."""

    def end(self) -> None: ...

    def commit(self, targets: Sequence[Target]) -> list[ObjectInfo]:
        """Stores them all, one target each; when that fails, none of them stays."""


@runtime_checkable
class TakesBatches(Protocol):
    """What an `ObjectStore` may be able to do besides."""

    def batch(self) -> AbstractAsyncContextManager[Batch]:
        """What is not committed when the context ends is gone."""

    async def run(self, work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Does blocking work in one of the store's threads. Cancelled, it still waits for that work to end."""
