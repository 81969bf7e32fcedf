"""Image operations as Uploadcare's URL API names them. https://uploadcare.com/docs/api/url/

Each class is one operation with its arguments checked; `chain` reads them from an address.
"""

from dataclasses import dataclass
from typing import Final, Literal

Stretch = Literal["on", "off", "fill"]
"""What happens where the image is smaller than what is asked for: enlarged, left as it is, or framed in the fill colour."""

Format = Literal["jpeg", "png", "webp", "avif", "auto", "preserve"]
Quality = Literal["normal", "better", "best", "lighter", "lightest", "smart", "smart_retina"]

FORMATS: Final[dict[str, Format]] = {
    "jpeg": "jpeg", "png": "png", "webp": "webp", "avif": "avif", "auto": "auto", "preserve": "preserve"
}  # fmt: skip
QUALITIES: Final[dict[str, Quality]] = {
    "normal": "normal", "better": "better", "best": "best", "lighter": "lighter", "lightest": "lightest",
    "smart": "smart", "smart_retina": "smart_retina",
}  # fmt: skip
STRETCHES: Final[dict[str, Stretch]] = {"on": "on", "off": "off", "fill": "fill"}

MAX_EDGE: Final = 5000
"""Pixels of the longest edge that may be asked for."""
MAX_EDGE_UNLESS_JPEG: Final = 3000
"""The same, where the result is not asked for as JPEG."""


@dataclass(frozen=True)
class Length:
    """A number of pixels, or of hundredths of the image's own edge."""

    value: int
    percent: bool = False

    def __str__(self) -> str:
        return f"{self.value}p" if self.percent else str(self.value)


@dataclass(frozen=True)
class Offset:
    """Where the cut begins. A percentage is of the room that is left, so that 50p,50p is the centre."""

    x: Length
    y: Length

    def __str__(self) -> str:
        return f"{self.x},{self.y}"


CORNER: Final = Offset(Length(0), Length(0))
CENTER: Final = Offset(Length(50, percent=True), Length(50, percent=True))


@dataclass(frozen=True)
class Preview:
    """Fits into `width` x `height`, proportions kept, never enlarged."""

    width: int = 2048
    height: int = 2048

    def __str__(self) -> str:
        return f"preview/{self.width}x{self.height}"


@dataclass(frozen=True)
class Resize:
    """To exactly the edges given; where one is left out, it follows from the image's proportions."""

    width: int | None
    height: int | None
    stretch: Stretch = "on"
    fill: str | None = None

    def __str__(self) -> str:
        return f"resize/{self.width or ''}x{self.height or ''}"


@dataclass(frozen=True)
class ScaleCrop:
    """Covers `width` x `height`, proportions kept; what hangs over is cut off."""

    width: int
    height: int
    offset: Offset | None = CORNER
    """None: the part that draws most attention is kept."""
    stretch: Stretch = "on"
    fill: str | None = None

    def __str__(self) -> str:
        return f"scale_crop/{self.width}x{self.height}/{self.offset or 'smart'}"


@dataclass(frozen=True)
class Crop:
    """Cuts a part out; what lies outside of the image is in the fill colour."""

    width: Length
    height: Length
    offset: Offset = CORNER
    fill: str | None = None

    def __str__(self) -> str:
        return f"crop/{self.width}x{self.height}/{self.offset}"


Step = Preview | Resize | ScaleCrop | Crop


@dataclass(frozen=True)
class Chain:
    """What is to be made of an image: geometry in order, then how the result is encoded.

    Equal chains make equal results, however they were written: `canonical` is the same for them.
    """

    steps: tuple[Step, ...] = ()
    format: Format = "auto"
    quality: Quality = "normal"
    autorotate: bool = True
    fill: str | None = None
    """Takes the place of transparency where the result has none; None: white. RRGGBB or RRGGBBAA, as in the steps."""

    @property
    def negotiates(self) -> bool:
        """The result depends on what the client says it understands."""
        return self.format == "auto"

    @property
    def canonical(self) -> str:
        """One text for all equal chains, itself a chain that reads as this one."""
        operations = [] if self.autorotate else ["autorotate/no"]
        stretch, fill = "on", None
        for step in self.steps:
            if isinstance(step, Resize | ScaleCrop) and step.stretch != stretch:
                stretch = step.stretch
                operations.append(f"stretch/{stretch}")
            if not isinstance(step, Preview) and step.fill not in (None, fill):
                fill = step.fill
                operations.append(f"setfill/{fill}")
            operations.append(str(step))
        if self.fill != fill:
            operations.append(f"setfill/{self.fill}")
        return "/-/".join([*operations, f"format/{self.format}", f"quality/{self.quality}"])
