"""A standalone under steady mixed load: what it holds must not grow with what has passed through it.

`python -m bench.soak --minutes 10`. So many lanes each upload one file after the other, through a signed PUT with a webhook or
through a form, wait for its end and delete every second one. Each line tells what happened so far, and what the process holds.
"""

import argparse
import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from io import BytesIO

import aiohttp
from PIL import Image

from bench.standalone import process, standalone
from deploy.demo_client import END_STATES, Demo

TEXT = b"a small file without renditions\n" * 512
REPORTS = 20


async def soak(minutes: float, lanes: int) -> None:
    async with standalone() as demo:
        load = Load(demo)
        end = time.monotonic() + minutes * 60
        listener = asyncio.create_task(load.listen())
        try:
            await asyncio.gather(*(load.lane(end) for _ in range(lanes)), _report(load, end, minutes * 60 / REPORTS))
            await load.all_announced()
        finally:
            listener.cancel()
        print(f"all of {load.counts['put']} webhooks have come, {load.counts['repeated']} of them repeatedly")


class Load:
    def __init__(self, demo: Demo) -> None:
        self.counts: Counter[str] = Counter()
        self._demo = demo
        self._wanted: set[str] = set()
        self._announced: set[str] = set()
        self._came = asyncio.Condition()
        self._numbers = itertools.count()
        self._picture = _picture()

    async def lane(self, end: float) -> None:
        steps: tuple[Callable[[], Awaitable[str]], ...] = (self._put, self._form)
        while time.monotonic() < end:
            number = next(self._numbers)
            upload_id = await steps[number % 2]()
            state = await self._ended(upload_id)
            self.counts[state] += 1
            if number % 4 < 2:
                await self._delete(upload_id, number % 2 == 1)
                self.counts["deleted"] += 1

    async def listen(self) -> None:
        while True:
            upload_id = (await self._demo.inbox.get())["id"]
            self.counts["repeated"] += upload_id in self._announced
            async with self._came:
                self._announced.add(upload_id)
                self._came.notify_all()

    async def all_announced(self) -> None:
        async with asyncio.timeout(60), self._came:
            await self._came.wait_for(lambda: self._wanted <= self._announced)

    async def _put(self) -> str:
        demo = self._demo
        asked = {"owner": demo.credentials["org"], "uploader": "customer", "content_type": "text/plain"}
        created = await demo.call("POST", "/api/v1/uploads", asked | {"callback_url": demo.callback_url})
        async with demo.http.put(created["upload_url"], data=TEXT, headers=created["required_headers"]) as response:
            response.raise_for_status()
        self._wanted.add(created["id"])
        self.counts["put"] += 1
        return str(created["id"])

    async def _form(self) -> str:
        form = aiohttp.FormData({"UPLOADCARE_PUB_KEY": self._demo.credentials["public_key"]})
        form.add_field("file", self._picture, filename="picture.png", content_type="image/png")
        async with self._demo.http.post(f"{self._demo.credentials['base_url']}/base/", data=form) as response:
            response.raise_for_status()
            self.counts["form"] += 1
            return str((await response.json())["file"])

    async def _ended(self, upload_id: str) -> str:
        """The state in which it ended."""
        version = 0
        while True:
            path = f"/platform/v1/uploads/{upload_id}"
            found = await self._demo.call("GET", path, wait_version=version, wait_seconds=10)
            version = found["version"]
            if found["state"] in END_STATES:
                return str(found["state"])

    async def _delete(self, upload_id: str, is_of_project: bool) -> None:
        credentials = self._demo.credentials
        if is_of_project:
            path = f"/files/{upload_id}/storage/"
            keys = f"Uploadcare.Simple {credentials['public_key']}:{credentials['secret_key']}"
            headers = {"Authorization": keys, "Accept": "application/vnd.uploadcare-v0.7+json"}
        else:
            path, headers = f"/api/v1/uploads/{upload_id}", {"X-API-Key": credentials["api_key"]}
        async with self._demo.http.delete(credentials["base_url"] + path, headers=headers) as response:
            response.raise_for_status()


def _picture() -> bytes:
    content = BytesIO()
    Image.linear_gradient("L").resize((320, 240)).save(content, "PNG")
    return content.getvalue()


async def _report(load: Load, end: float, seconds: float) -> None:
    watched = process()
    started = time.monotonic()
    print(f"{'seconds':>8}{'put':>8}{'form':>8}{'deleted':>9}{'failed':>8}{'MiB':>8}{'files':>7}{'threads':>9}{'children':>10}")
    while time.monotonic() < end:
        await asyncio.sleep(seconds)
        counts = load.counts
        failed = sum(counts[state] for state in END_STATES - {"READY"})
        rss = watched.memory_info().rss / 2**20
        children = len(watched.children(recursive=True))
        print(
            f"{time.monotonic() - started:8.0f}{counts['put']:8}{counts['form']:8}{counts['deleted']:9}{failed:8}"
            f"{rss:8.0f}{watched.num_fds():7}{watched.num_threads():9}{children:10}",
            flush=True,
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--lanes", type=int, default=8)
    arguments = parser.parse_args()
    asyncio.run(soak(arguments.minutes, arguments.lanes))
