"""Remembers for a while what could not be made, so that a hostile file costs its time once and not with every request."""

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from services.gateway.files.image import ImageError

SECONDS: Final = 60.0
MOST: Final = 1000


class Refusals:
    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._known: OrderedDict[str, tuple[float, ImageError]] = OrderedDict()

    def check(self, key: str) -> None:
        """Raises the ImageError that is remembered for `key`."""
        until, error = self._known.get(key, (0.0, None))
        if error is not None and self._clock() < until:
            raise type(error)(error.message)

    def remember(self, key: str, error: ImageError) -> None:
        self._known[key] = (self._clock() + SECONDS, error)
        self._known.move_to_end(key)
        if len(self._known) > MOST:
            self._known.popitem(last=False)
