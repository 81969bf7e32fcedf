"""From a step of work to a loop that a service runs."""

from collections.abc import Awaitable, Callable

from libs.runtime.pace import Pace
from libs.runtime.poll import Poll
from libs.runtime.service import Loop
from libs.runtime.wakeup import Wakeups


def repeated(
    once: Callable[[], Awaitable[bool]], wakeups: Wakeups, name: str, seconds: float, *, idle_seconds: float | None = None
) -> Loop:
    """Runs `once` for ever: again at once while it says that there was work, else when `name` is woken or `seconds` passed.

    With `idle_seconds` the pauses grow up to that while there is no work.
    """
    pace, poll = Pace(), Poll(seconds, idle_seconds or seconds)

    async def run() -> None:
        while True:
            await pace.rest()
            with pace.batch():
                had_work = await once()
            if had_work or await wakeups.wait(name, poll.next_pause()):
                poll.restart()

    return run
