"""A process that dies at a chosen step of what it does to its files."""

from collections.abc import Callable, Iterable
from typing import Any

import pytest


class CrashError(BaseException):
    """Nothing in the code catches it, as nothing catches `kill -9`."""


def crash_before_step(patched: pytest.MonkeyPatch, steps: int, functions: Iterable[tuple[Any, str]]) -> None:
    """Lets the functions (owner and name) be called `steps` times altogether; the next call is the death of the process."""
    left = steps

    def dying(original: Callable[..., Any]) -> Callable[..., Any]:
        def step(*args: Any, **kwargs: Any) -> Any:
            nonlocal left
            if left == 0:
                raise CrashError
            left -= 1
            return original(*args, **kwargs)

        return step

    for owner, name in functions:
        patched.setattr(owner, name, dying(getattr(owner, name)))
