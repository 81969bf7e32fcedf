import asyncio
import random

import pytest

from libs.runtime.host import supervise


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(random, "uniform", lambda _low, _high: 0.0)


@pytest.mark.parametrize("error", [RuntimeError("bug"), asyncio.CancelledError()])
async def test_a_loop_that_fails_is_started_again(error: BaseException) -> None:
    runs: asyncio.Queue[int] = asyncio.Queue()

    async def loop() -> None:
        runs.put_nowait(1)
        if runs.qsize() > 1:
            await asyncio.Event().wait()
        raise error

    task = asyncio.create_task(supervise("test", loop))
    while runs.qsize() < 2:
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_loop_that_returns_is_done() -> None:
    async def loop() -> None:
        return

    await supervise("test", loop)
