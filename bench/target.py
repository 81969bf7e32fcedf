"""What the benches of whole uploads go to: a Longshore in either of its forms, and where its cost is read."""

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from bench.distributed import distributed
from bench.standalone import data_folder, process, standalone
from deploy.demo_client import Demo

BODY = b"0123456789abcdef" * 64
"""1 KiB that no decoder opens."""


@dataclass(frozen=True)
class Target:
    name: str
    demo: Demo
    processes: Callable[[], Iterable[psutil.Process]]
    database: str
    """The DSN of a superuser."""
    database_log: Path
    notify: Callable[[str], Awaitable[None]] | None = None
    """Says that the object behind a signed URL was stored, where the store itself does not."""

    async def upload(self) -> str:
        """Registers a small file that is told of by a webhook, and stores it; answers its id."""
        body: dict[str, Any] = {
            "owner": self.demo.credentials["org"],
            "uploader": "customer",
            "content_type": "application/octet-stream",
            "callback_url": self.demo.callback_url,
        }
        created = await self.demo.call("POST", "/api/v1/uploads", body)
        await self._put(created["upload_url"], created["required_headers"])
        if self.notify:
            await self.notify(created["upload_url"])
        return str(created["id"])

    async def _put(self, url: str, headers: dict[str, str]) -> None:
        """Once more where the store has a fault, as clients do: `rclone` has one when a neighbour's folder goes meanwhile."""
        for attempt in range(5):
            async with self.demo.http.put(url, data=BODY, headers=headers) as response:
                if response.status < 500 or attempt == 4:
                    response.raise_for_status()
                    return

    def cpu_seconds(self) -> Counter[str]:
        """Used so far, by name of the service or server; children that ended are counted with their parents."""
        used: Counter[str] = Counter()
        for one in self.processes():
            try:
                times, command = one.cpu_times(), one.cmdline()
            except psutil.NoSuchProcess:
                continue
            used[_label(one, command)] += times.user + times.system
        return used


@asynccontextmanager
async def target(*, is_distributed: bool) -> AsyncIterator[Target]:
    if is_distributed:
        async with distributed() as found:
            yield Target("distributed", found.demo, found.processes, found.database, found.database_log, found.notify)
        return
    async with standalone() as demo:
        root, folder = process(), data_folder()
        database = f"postgresql://postgres@/postgres?host={folder / 'run'}"
        yield Target("standalone", demo, lambda: [root, *root.children(recursive=True)], database, folder / "postgres.log")


def _label(one: psutil.Process, command: list[str]) -> str:
    if "postgres" in one.name():
        return "postgres"
    if one.name() in ("beam.smp", "erl_child_setup", "inet_gethost", "epmd"):
        return "rabbitmq"
    for word in command:
        if word.startswith("services."):
            return word.removeprefix("services.")
    return "python" if "deploy.standalone" in command else one.name()
