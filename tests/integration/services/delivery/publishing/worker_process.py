"""A delivery service as a process of its own, to be killed: `python worker_process.py <dsn> <place> <folder>`, then settings
as `<name>=<value>`; with the root as PYTHONPATH.
"""

import asyncio
import sys
from pathlib import Path

from tests.integration.services.delivery.publishing.rig import running, store_at


async def main() -> None:
    dsn, place, folder, *given = sys.argv[1:]
    settings = dict(one.split("=", 1) for one in given)
    store = store_at(place)
    await store.open()
    async with running(dsn, store, Path(folder), **settings):
        print("ready", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
