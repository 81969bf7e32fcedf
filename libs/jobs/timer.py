"""From a step of work to a loop that a service runs."""

from collections.abc import Awaitable, Callable

from libs.runtime.pace import Pace
from libs.runtime.service import Loop
from libs.runtime.wakeup import Wakeups


def repeated(once: Callable[[], Awaitable[bool]], wakeups: Wakeups, name: str, seconds: float) -> Loop:
    """Runs `once` for ever: again at once while it says that there was work, else when `name` is woken or `seconds` passed."""

    pace = Pace()

    async def run() -> None:
        while True:
            await pace.rest()
            with pace.batch():
                had_work = await once()
            if not had_work:
                await wakeups.wait(name, seconds)

    return run
