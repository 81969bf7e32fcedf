"""An ingest service as a process of its own, to be killed: `python worker_process.py <dsn> <place>`, the root as PYTHONPATH."""

import asyncio
import sys

from tests.integration.services.ingest.rig import running, store_at


async def main() -> None:
    store = store_at(sys.argv[2])
    await store.open()
    async with running(sys.argv[1], store):
        print("ready", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
