"""The kinds of image operations, and the transformation that a chain of them makes.

`Setting` changes how later steps or the encoder work, `Geometry` says beforehand what becomes of an image of a certain size,
`Effect` works on pixels, `Report` asks for facts instead of the image, and the others leave the image alone.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from services.gateway.domain.image.action import Action
from services.gateway.domain.image.argument import Argument, OperationError
from services.gateway.domain.image.value import Size

if TYPE_CHECKING:
    import pyvips

Stretch = Literal["on", "off", "fill"]
"""What happens where the image is smaller than what is asked for: enlarged, left as it is, or framed in the fill colour."""

Format = Literal["jpeg", "png", "webp", "avif", "auto", "preserve"]
Quality = Literal["normal", "better", "best", "lighter", "lightest", "smart", "smart_retina"]
Metadata = Literal["all", "none", "sensitive"]
"""What of the original's metadata is left out."""
Profile = Literal["fast", "icc", "keep_profile"]


@dataclass(frozen=True)
class Settings:
    """What `Setting` operations say; the fields are called as the operations are."""

    stretch: Stretch = "on"
    setfill: str | None = None
    """RRGGBB or RRGGBBAA; None: nothing where the image has transparency, else white."""
    format: Format = "auto"
    quality: Quality = "normal"
    progressive: bool = False
    strip_meta: Metadata = "all"
    srgb: Profile = "fast"
    max_icc_size: int = 0
    """Kilobytes up to which a colour profile stays with its image instead of being applied to it."""
    autorotate: bool = True

    @property
    def kept_profile_bytes(self) -> float:
        """Up to how large a colour profile stays with its image."""
        return math.inf if self.srgb == "keep_profile" else self.max_icc_size * 1024


@dataclass
class TransformationBuilder:
    """What was read of a chain so far."""

    steps: list[Step] = field(default_factory=list)
    settings: Settings = field(default_factory=Settings)
    report: Step | None = None
    inline: bool | None = None
    """Whether the answer is to be shown or saved; None: as its type suggests."""
    needs_image: bool = False
    """An operation was there that only an image can answer."""


@dataclass(frozen=True)
class Operation(ABC):
    name: str
    arguments: tuple[Argument, ...] = ()

    @abstractmethod
    def add_to(self, builder: TransformationBuilder, values: tuple[Any, ...]) -> None:
        """Raises OperationError."""


@dataclass(frozen=True)
class Step:
    """An operation with its arguments, and those settings in force where it stands that matter to it."""

    operation: Operation
    values: tuple[Any, ...] = ()
    stretch: Stretch | None = None
    setfill: str | None = None

    def __str__(self) -> str:
        """Its canonical spelling."""
        written = zip(self.operation.arguments, self.values, strict=True)
        return "/".join([self.operation.name, *(argument.to_text(value) for argument, value in written if value is not None)])


@dataclass(frozen=True)
class Setting(Operation):
    """Has one argument; the last one in a chain counts, or for later steps the last one before."""

    def add_to(self, builder: TransformationBuilder, values: tuple[Any, ...]) -> None:
        builder.settings = replace(builder.settings, **{self.name: values[0]})
        builder.needs_image = True

    def to_text(self, value: Any) -> str:
        return f"{self.name}/{self.arguments[0].to_text(value)}"


Plan = Callable[..., Iterable[Action]]
"""Takes the image's size, the values of the arguments, and the settings that it uses by their names."""


@dataclass(frozen=True)
class Geometry(Operation):
    """Scales, cuts and turns: what becomes of the image follows from its size."""

    plan: Plan = field(kw_only=True)
    uses: frozenset[Literal["stretch", "setfill"]] = field(default=frozenset(), kw_only=True)

    def add_to(self, builder: TransformationBuilder, values: tuple[Any, ...]) -> None:
        stretch = builder.settings.stretch if "stretch" in self.uses else None
        fill_shows = "setfill" in self.uses and stretch in (None, "fill")
        builder.steps.append(Step(self, values, stretch, builder.settings.setfill if fill_shows else None))
        builder.needs_image = True

    def actions(self, step: Step, size: Size) -> Iterable[Action]:
        return self.plan(size, *step.values, **{name: getattr(step, name) for name in self.uses})


Apply = Callable[..., "pyvips.Image"]
"""Takes the image and the values of the arguments."""


@dataclass(frozen=True)
class Effect(Operation):
    """Works on the pixels of an image of three bands, or four with transparency, of eight bits each."""

    apply: Apply = field(kw_only=True)
    neutral: tuple[Any, ...] | None = field(default=None, kw_only=True)
    """The arguments that change nothing."""
    is_pointwise: bool = field(default=False, kw_only=True)
    """Looks at the colour of each pixel alone: `apply` gets and returns three bands of numbers from 0 to 255."""
    measures: bool = field(default=False, kw_only=True)
    """Looks at the whole image before it makes the first pixel."""

    def add_to(self, builder: TransformationBuilder, values: tuple[Any, ...]) -> None:
        builder.needs_image = True
        if values != self.neutral:
            builder.steps.append(Step(self, values))


Measure = Callable[..., dict[str, Any]]
"""Takes the image and the values of the arguments, and returns what it found, for JSON."""


@dataclass(frozen=True)
class Report(Operation):
    """Asks for facts about the image at this place of the chain; what follows changes nothing any more."""

    measure: Measure = field(kw_only=True)

    def add_to(self, builder: TransformationBuilder, values: tuple[Any, ...]) -> None:
        builder.report = Step(self, values)
        builder.needs_image = True


@dataclass(frozen=True)
class DeliveryOption(Operation):
    """Says how the answer is delivered, whatever it is."""

    def add_to(self, builder: TransformationBuilder, values: tuple[Any, ...]) -> None:
        builder.inline = values[0]


@dataclass(frozen=True)
class NoOperation(Operation):
    """Changes nothing."""

    needs_image: bool = field(kw_only=True)

    def add_to(self, builder: TransformationBuilder, values: tuple[Any, ...]) -> None:
        builder.needs_image = builder.needs_image or self.needs_image


@dataclass(frozen=True)
class UnavailableOperation(Operation):
    """Needs what this server does not have."""

    needs: str = field(kw_only=True)

    def add_to(self, builder: TransformationBuilder, values: tuple[Any, ...]) -> None:
        raise OperationError(f'Operation "{self.name}/{values[0]}" needs {self.needs}, which this server does not have.')
