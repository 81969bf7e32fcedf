"""A transcoder as a process of its own, to be killed: `python worker_process.py <dsn> <folder>` with the root as PYTHONPATH."""

import asyncio
import sys
from pathlib import Path

from tests.integration.services.transcoder.rig import running


async def main() -> None:
    async with running(sys.argv[1], Path(sys.argv[2])):
        print("ready", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
