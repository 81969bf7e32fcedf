"""Concurrent single-row writes that share one statement and one commit.

While one write is under way, what arrives meanwhile waits and goes together as the next one. Under no load a row waits for
nobody; under load the cost of a commit is shared by all that wait for it.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Generic, TypeVar

from libs.postgres.database import TRANSIENT_ERRORS

Row = TypeVar("Row")
Result = TypeVar("Result")


class Coalescer(Generic[Row, Result]):
    """`submit(row)` → the row's own result.

    `write` takes rows and answers one result for each, in order, in one transaction. After a lost connection nobody knows
    whether it was committed, so it is called again with the same rows until `patience_seconds` are over: it has to recognise
    rows that are there already. An error that is not transient concerns some row: all are written again one by one, so that
    it reaches only those who caused it.
    """

    def __init__(
        self,
        write: Callable[[Sequence[Row]], Awaitable[Sequence[Result]]],
        *,
        max_rows: int = 256,
        max_writes: int = 2,
        patience_seconds: float = 5,
    ) -> None:
        self._write = write
        self._max_rows = max_rows
        self._max_writes = max_writes
        self._patience_seconds = patience_seconds
        self._waiting: deque[tuple[Row, asyncio.Future[Result]]] = deque()
        self._writing = 0
        self._writers: set[asyncio.Task[None]] = set()

    async def submit(self, row: Row) -> Result:
        """Raises what `write` raises; TimeoutError when the database stayed away."""
        result: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((row, result))
        if self._writing < self._max_writes:
            self._writing += 1
            writer = asyncio.create_task(self._drain())
            self._writers.add(writer)
            writer.add_done_callback(self._writers.discard)
        return await result

    async def _drain(self) -> None:
        # Counted down in the same step that finds nothing left, so that no row can slip in between and be forgotten.
        try:
            while batch := self._take():
                await self._settle(batch)
        finally:
            self._writing -= 1

    def _take(self) -> list[tuple[Row, asyncio.Future[Result]]]:
        batch: list[tuple[Row, asyncio.Future[Result]]] = []
        while self._waiting and len(batch) < self._max_rows:
            row, result = self._waiting.popleft()
            if not result.done():  # its client went away while it waited
                batch.append((row, result))
        return batch

    async def _settle(self, batch: Sequence[tuple[Row, asyncio.Future[Result]]]) -> None:
        try:
            results = await self._write_patiently([row for row, _ in batch])
        except Exception as error:
            if len(batch) > 1 and not isinstance(error, TRANSIENT_ERRORS):
                for single in batch:
                    await self._settle([single])
                return
            for _, waiting in batch:
                if not waiting.done():
                    waiting.set_exception(error)
            return
        for (_, waiting), result in zip(batch, results, strict=True):
            if not waiting.done():
                waiting.set_result(result)

    async def _write_patiently(self, rows: Sequence[Row]) -> Sequence[Result]:
        pause = 0.05
        async with asyncio.timeout(self._patience_seconds):
            while True:
                with suppress(*TRANSIENT_ERRORS):
                    return await self._write(rows)
                await asyncio.sleep(pause)
                pause = min(pause * 2, 1)
