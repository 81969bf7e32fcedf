"""Rows that arrive together go together; each gets its own result."""

import asyncio
from collections.abc import Callable, Sequence

import pytest

from libs.postgres.coalesce import Coalescer


class Recorder:
    """Writes that end when the test lets them."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.open = asyncio.Event()
        self.failures: list[Exception] = []

    async def write(self, rows: Sequence[int]) -> Sequence[int]:
        self.batches.append(list(rows))
        await self.open.wait()
        if self.failures:
            raise self.failures.pop(0)
        if len(rows) > 0 and any(row < 0 for row in rows):
            raise ValueError("negative")
        return [row * 10 for row in rows]


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0)


async def test_what_arrives_during_a_write_goes_together_as_the_next() -> None:
    recorder = Recorder()
    coalescer = Coalescer(recorder.write, max_writes=1)
    first = asyncio.create_task(coalescer.submit(1))
    await until(lambda: recorder.batches == [[1]])
    rest = [asyncio.create_task(coalescer.submit(row)) for row in (2, 3, 4)]
    await asyncio.sleep(0)
    recorder.open.set()

    assert await asyncio.gather(first, *rest) == [10, 20, 30, 40]
    assert recorder.batches == [[1], [2, 3, 4]]


async def test_a_batch_has_a_largest_size() -> None:
    recorder = Recorder()
    recorder.open.set()
    coalescer = Coalescer(recorder.write, max_rows=2, max_writes=1)

    assert await asyncio.gather(*map(coalescer.submit, range(5))) == [0, 10, 20, 30, 40]
    assert max(map(len, recorder.batches)) == 2


async def test_an_error_reaches_only_its_own_row() -> None:
    recorder = Recorder()
    recorder.open.set()
    coalescer = Coalescer(recorder.write, max_writes=1)

    outcomes = await asyncio.gather(*map(coalescer.submit, (1, -1, 2)), return_exceptions=True)

    assert (outcomes[0], outcomes[2]) == (10, 20)
    assert isinstance(outcomes[1], ValueError)


async def test_an_unknown_outcome_is_tried_again_with_the_same_rows() -> None:
    recorder = Recorder()
    recorder.open.set()
    recorder.failures = [ConnectionResetError(), OSError()]
    coalescer = Coalescer(recorder.write, max_writes=1)

    assert await coalescer.submit(7) == 70
    assert recorder.batches == [[7], [7], [7]]


async def test_patience_ends() -> None:
    recorder = Recorder()
    coalescer = Coalescer(recorder.write, patience_seconds=0.01)

    with pytest.raises(TimeoutError):
        await coalescer.submit(1)


async def test_after_an_error_the_next_row_is_written() -> None:
    recorder = Recorder()
    recorder.open.set()
    coalescer = Coalescer(recorder.write)
    with pytest.raises(ValueError, match="negative"):
        await coalescer.submit(-1)

    assert await coalescer.submit(1) == 10
