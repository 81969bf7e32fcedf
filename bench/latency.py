"""From stored to webhook: how long after the answer to its PUT a small file without renditions is announced.

A whole standalone in a process of its own; the receiver checks every signature. `python -m bench.latency`.
"""

import asyncio
import statistics
import time

from bench.standalone import standalone
from deploy.demo_client import Demo

ALONE, TOGETHER = 100, 400
AT_ONCE = 16
BODY = b"a small file without renditions\n" * 32


async def measure() -> None:
    async with standalone() as demo:
        await run(demo, 20, 1)  # warm
        report("one after the other", await run(demo, ALONE, 1))
        report(f"{AT_ONCE} at a time", await run(demo, TOGETHER, AT_ONCE))


async def run(demo: Demo, count: int, at_once: int) -> list[float]:
    """Milliseconds from stored to announced of each upload."""
    stored: dict[str, float] = {}
    announced: dict[str, float] = {}
    arrived = asyncio.Condition()

    async def listen() -> None:
        while len(announced) < count:
            call = await demo.inbox.get()
            async with arrived:
                announced.setdefault(call["id"], time.perf_counter())
                arrived.notify_all()

    async def upload(slot: asyncio.Semaphore) -> None:
        async with slot:
            body = {
                "owner": demo.credentials["org"],
                "uploader": "customer",
                "content_type": "application/octet-stream",
                "callback_url": demo.callback_url,
            }
            created = await demo.call("POST", "/api/v1/uploads", body)
            async with demo.http.put(created["upload_url"], data=BODY, headers=created["required_headers"]) as response:
                response.raise_for_status()
                stored[created["id"]] = time.perf_counter()
            async with arrived:
                await arrived.wait_for(lambda: created["id"] in announced)

    slot = asyncio.Semaphore(at_once)
    await asyncio.gather(listen(), *(upload(slot) for _ in range(count)))
    return [(announced[key] - stored[key]) * 1000 for key in stored]


def report(name: str, milliseconds: list[float]) -> None:
    cuts = statistics.quantiles(milliseconds, n=100)
    print(f"stored -> webhook, {name}: {len(milliseconds)} uploads, p50 {cuts[49]:.0f} ms, p99 {cuts[98]:.0f} ms")


if __name__ == "__main__":
    asyncio.run(measure())
