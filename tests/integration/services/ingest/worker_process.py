"""An ingest service as a process of its own, to be killed, the root as PYTHONPATH:

`python worker_process.py <dsn> <place> [<settings as JSON> [<call at which it kills itself>]]`
"""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable
from itertools import count
from typing import Any

from tests.integration.services.ingest.rig import running, store_at


def die_at(step: str) -> None:
    """`link 2 before`: SIGKILL instead of the second `os.link`; `link 2 after`: right after it."""
    name, number, when = step.split()
    original: Callable[..., Any] = getattr(os, name)
    calls = count(1)

    def dies(*args: Any, **kwargs: Any) -> Any:
        is_it = next(calls) == int(number)
        if is_it and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        result = original(*args, **kwargs)
        if is_it:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(os, name, dies)


async def main() -> None:
    settings = json.loads(sys.argv[3]) if len(sys.argv) > 3 else {}
    store = store_at(sys.argv[2])
    await store.open()
    if len(sys.argv) > 4:
        die_at(sys.argv[4])
    async with running(sys.argv[1], store, **settings):
        print("ready", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
