"""Waiting a moment for a file that is about to be published.

Whoever has uploaded a file, or was told of it by a webhook, asks for it at once; that it is accepted or processed reaches the
gateway a little later.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final, TypeVar

from services.gateway.domain.served_file import ServedFile

Found = TypeVar("Found")

PAUSES: Final = (0.02, 0.04, 0.08, 0.16, 0.3, 0.5, 0.9, 0)
"""Seconds between two looks."""


class NotYetError(Exception):
    """The file is published when it has come and is accepted, or processed."""

    def __init__(self, file: ServedFile) -> None:
        super().__init__(f"{file.id} is not published yet")
        self.file = file


async def soon(look: Callable[[], Awaitable[Found | None]]) -> Found | None:
    """What `look` finds; None too when it has raised NotYetError for two seconds."""
    for pause in PAUSES:
        with suppress(NotYetError):
            return await look()
        await asyncio.sleep(pause)
    return None
