"""A worker as a process of its own, to be killed: `python worker_process.py <dsn>` with the root as PYTHONPATH.

Its tasks never end.
"""

import asyncio
import sys

from libs.outbox.unit_of_work import Outbox
from libs.postgres.database import Database
from libs.runtime.wakeup import Wakeups
from tests.contract.jobs.task import Task, TaskRepository, worker_of


async def hang(_task: Task) -> str:
    print("working", flush=True)
    await asyncio.Event().wait()
    return ""


async def main() -> None:
    database = Database(sys.argv[1], "ingest")
    await database.open()
    await worker_of(TaskRepository(Outbox(database, Wakeups()), lease_seconds=1), hang).run()


if __name__ == "__main__":
    asyncio.run(main())
