"""A thread for blocking calls that may hang for ever: on a mount whose server is gone, say."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from threading import Thread
from typing import Any, ParamSpec, TypeVar

_P = ParamSpec("_P")
_T = TypeVar("_T")


class OwnThread:
    """Does one call after the other. One that hangs holds up nobody but those after it: not even the end of the process."""

    def __init__(self, name: str) -> None:
        self._calls: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread = Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    async def run(self, work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Cancelled, it returns at once; the call may go on."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[_T] = loop.create_future()

        def call() -> None:
            try:
                result = work(*args, **kwargs)
            except Exception as error:
                _tell(loop, answer, answer.set_exception, error)
            else:
                _tell(loop, answer, answer.set_result, result)

        self._calls.put(call)
        return await answer

    def end(self, last: Callable[[], None] | None = None) -> None:
        """After what it has still to do, and `last`, which may raise nothing. Does not wait for it."""
        if last is not None:
            self._calls.put(last)
        self._calls.put(None)

    @property
    def is_alive(self) -> bool:
        """It has not ended yet."""
        return self._thread.is_alive()

    def _work(self) -> None:
        while (call := self._calls.get()) is not None:
            call()


def _tell(loop: asyncio.AbstractEventLoop, answer: "asyncio.Future[Any]", tell: Callable[[Any], None], told: Any) -> None:
    def unless_cancelled() -> None:
        if not answer.done():
            tell(told)

    with suppress(RuntimeError):  # the loop is closed: nobody waits any more
        loop.call_soon_threadsafe(unless_cancelled)
