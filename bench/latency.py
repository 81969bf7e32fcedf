"""From stored to webhook: how long after the answer to its PUT a small file without renditions is announced.

Alone, one after the other; then at half of the load that saturates: uploads begin at random moments, whatever became of those
before. The receiver checks every signature. `python -m bench.latency [--distributed]`.
"""

import argparse
import asyncio
import random
import statistics
import time

from bench.chain import burst
from bench.target import Target, target

ALONE, TOGETHER = 100, 400


async def measure(*, is_distributed: bool) -> None:
    async with target(is_distributed=is_distributed) as to:
        await burst(to, 50)  # warm
        started = time.perf_counter()
        await burst(to, TOGETHER)
        rate = TOGETHER / (time.perf_counter() - started) / 2
        report(f"{to.name}, one after the other", await one_by_one(to, ALONE))
        report(f"{to.name}, {rate:.0f} a second (half of what it can)", await at_rate(to, TOGETHER, rate))


async def one_by_one(to: Target, count: int) -> list[float]:
    """Milliseconds from stored to announced of each upload, which begins when the one before has ended."""
    found = []
    for _ in range(count):
        upload_id = await to.upload()
        stored = time.perf_counter()
        while (await to.demo.inbox.get())["id"] != upload_id:
            pass
        found.append((time.perf_counter() - stored) * 1000)
    return found


async def at_rate(to: Target, count: int, per_second: float) -> list[float]:
    """The same of uploads that begin at random moments, so many a second on average."""
    stored: dict[str, float] = {}
    announced: dict[str, float] = {}

    async def upload() -> None:
        upload_id = await to.upload()
        stored[upload_id] = time.perf_counter()

    async def listen() -> None:
        while len(announced) < count:
            announced.setdefault((await to.demo.inbox.get())["id"], time.perf_counter())

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(listen())
        for _ in range(count):
            tasks.create_task(upload())
            await asyncio.sleep(random.expovariate(per_second))
    return [max(0.0, (announced[upload_id] - moment) * 1000) for upload_id, moment in stored.items()]


def report(name: str, milliseconds: list[float]) -> None:
    cuts = statistics.quantiles(milliseconds, n=100)
    print(f"stored -> webhook, {name}: {len(milliseconds)} uploads, p50 {cuts[49]:.0f} ms, p99 {cuts[98]:.0f} ms", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--distributed", action="store_true")
    asyncio.run(measure(is_distributed=parser.parse_args().distributed))
