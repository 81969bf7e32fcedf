"""Applies the steps of a transformation to an image that was opened. Runs in the sandboxed child."""

from collections.abc import Callable, Iterable
from typing import Final, Protocol

import pyvips

from services.gateway.domain.image.action import Action, Cut, Reverse, Scale, Turn, check_result
from services.gateway.domain.image.operation import Effect, Geometry, Step
from services.gateway.domain.image.pixel import in_numbers
from services.gateway.domain.image.value import Size

LARGE_PIXELS: Final = 1_000_000
"""Changes of colour wait until an image of more pixels is smaller: they look the same then, and take a fraction of the time."""

ColourChange = Callable[[pyvips.Image], pyvips.Image]


class Source(Protocol):
    """An opened file; its image can be had once."""

    @property
    def size(self) -> Size: ...

    def scaled(self, width: int, height: int) -> pyvips.Image:
        """Decodes no more than the size needs."""

    def image(self) -> pyvips.Image: ...


def render(source: Source, steps: Iterable[Step]) -> pyvips.Image:
    """Raises ResultTooLargeError where the result has too many pixels, or a step would make more of them than that."""
    canvas = _Canvas(source)
    for step in steps:
        operation = step.operation
        if isinstance(operation, Geometry):
            for action in operation.actions(step, canvas.size):
                canvas.act(action)
        elif isinstance(operation, Effect):
            canvas.affect(operation, step)
    check_result(canvas.size)
    return canvas.finish()


class _Canvas:
    """The image so far, and changes of colour that are still to be made."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._image: pyvips.Image | None = None
        self._is_sequential = True
        """Pixels can be had once and from top to bottom only."""
        self._waiting: list[ColourChange] = []
        self.size = source.size

    def act(self, action: Action) -> None:
        if action.width * action.height > self.size[0] * self.size[1]:
            check_result((action.width, action.height))
        if not self._leaves_colours(action):
            self._change_colours()
        if self._image is None and isinstance(action, Scale):
            self._image = self._source.scaled(action.width, action.height)
        else:
            if not isinstance(action, Scale | Cut):
                self._load()
            self._image = action.apply(self._opened())
        self.size = action.width, action.height

    def affect(self, effect: Effect, step: Step) -> None:
        if effect.is_pointwise:
            self._waiting.append(lambda colours: effect.apply(colours, *step.values))
            return
        self._change_colours()
        self._load(again=effect.measures)
        self._image = effect.apply(self._opened(), *step.values)
        self.size = self._image.width, self._image.height

    def finish(self) -> pyvips.Image:
        self._change_colours()
        return self._opened()

    def _leaves_colours(self, action: Action) -> bool:
        """It does not matter whether colours are changed before or after."""
        match action:
            case Turn() | Reverse():
                return True
            case Cut():
                return action.is_inside(self.size)
            case Scale():
                width, height = self.size
                return width * height > LARGE_PIXELS and action.width <= width and action.height <= height
            case _:
                return False

    def _change_colours(self) -> None:
        if self._waiting:
            changes, self._waiting = self._waiting, []
            self._image = in_numbers(self._opened(), lambda colours: _all(changes, colours))

    def _load(self, *, again: bool = False) -> None:
        """Into memory, from where pixels can be had in any order; `again` what is computed by now, so that it is once."""
        if self._is_sequential or again:
            self._image = self._opened().copy_memory()
            self._is_sequential = False

    def _opened(self) -> pyvips.Image:
        if self._image is None:
            self._image = self._source.image()
        return self._image


def _all(changes: Iterable[ColourChange], colours: pyvips.Image) -> pyvips.Image:
    for change in changes:
        colours = change(colours).clamp(min=0, max=255)
    return colours
