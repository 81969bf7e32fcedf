"""The disk store's notifications, without a detour over HTTP."""

from collections.abc import Awaitable, Callable

Receive = Callable[[object], Awaitable[object]]


class Notices:
    """Store and service need each other; this stands between them until both are made."""

    def __init__(self) -> None:
        self._receive: Receive | None = None

    def lead_to(self, receive: Receive) -> None:
        self._receive = receive

    async def __call__(self, notification: dict[str, object]) -> None:
        if self._receive is not None:
            await self._receive(notification)
