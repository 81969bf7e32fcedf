"""An ingest service as a process of its own, to be killed, the root as PYTHONPATH:

`python worker_process.py <dsn> <place> [<settings as JSON> [<condition>…]]`; a condition is a call at which it kills itself, or
`unknown writers`: nobody can know whether a program has a file open for writing.
"""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable
from itertools import count
from typing import Any

from services.ingest.adapters import writers
from tests.integration.services.ingest.rig import running, store_at


def die_at(step: str) -> None:
    """`link 2 before`: SIGKILL instead of the second `os.link`; `link 2 after`: right after it."""
    name, number, when = step.split()
    original: Callable[..., Any] = getattr(os, name)
    calls = count(1)

    def dies(*args: Any, **kwargs: Any) -> Any:
        if name == "rename" and "src_dir_fd" not in kwargs:  # the disk store's own: it does not know the watch folder
            return original(*args, **kwargs)
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
    for condition in sys.argv[4:]:
        if condition == "unknown writers":
            writers.LOCAL_FILE_SYSTEMS = frozenset()  # type: ignore[misc]
        else:
            die_at(condition)
    async with running(sys.argv[1], store, **settings):
        print("ready", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
