"""What happens to sessions without an event: each job has `once`, which says whether there may be more to do at once."""

from collections.abc import Awaitable, Callable

from libs.runtime.service import Loop
from libs.runtime.wakeup import Wakeups


def repeated(once: Callable[[], Awaitable[bool]], wakeups: Wakeups, name: str, seconds: float) -> Loop:
    """Runs `once` for ever: again at once while there is work, else when `name` is woken or `seconds` have passed."""

    async def run() -> None:
        while True:
            if not await once():
                await wakeups.wait(name, seconds)

    return run
