"""Photo filters: named looks. https://uploadcare.com/docs/effects-enhancements/#operation-filter

The names are the vendor's, the looks are our own: what its filters do exactly is not published.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from services.gateway.domain.image import argument
from services.gateway.domain.image.operation import Effect, Operation

if TYPE_CHECKING:
    import pyvips

LUMINANCE: Final = (0.299, 0.587, 0.114)
MIDDLE_GREY: Final = 127.5


@dataclass(frozen=True)
class Look:
    """In hundredths, 0 changes nothing: applied one after the other."""

    saturation: int = 0
    """-100 is grey."""
    contrast: int = 0
    warmth: int = 0
    """How much more red and less blue."""
    brightness: int = 0
    """Of the whole range, added to each colour."""
    fade: int = 0
    """How much of black becomes white, as in an old print."""
    tint: tuple[int, int, int] = (0, 0, 0)
    """Of the whole range, added to red, green and blue."""

    def matrix(self, share: float) -> tuple[list[list[float]], list[float]]:
        """What each colour takes of red, green and blue, and what is added; `share` 0 changes nothing, 1 is all of the look."""
        kept = 1 + self.saturation / 100
        scale = (1 + self.contrast / 100) * (1 - self.fade / 100)
        warm = (1 + self.warmth / 100, 1.0, 1 - self.warmth / 100)
        lifted = (MIDDLE_GREY * -self.contrast / 100 + 2.55 * self.brightness) * (1 - self.fade / 100) + 2.55 * self.fade
        factors, offsets = [], []
        for row in range(3):
            full = [((row == column) * kept + LUMINANCE[column] * (1 - kept)) * scale * warm[row] for column in range(3)]
            factors.append([(row == column) + (full[column] - (row == column)) * share for column in range(3)])
            offsets.append((lifted * warm[row] + 2.55 * self.tint[row]) * share)
        return factors, offsets


LOOKS: Final = {
    "adaris": Look(saturation=-15, contrast=12, warmth=4, fade=4),
    "briaril": Look(saturation=20, contrast=10, warmth=8),
    "calarel": Look(saturation=-30, contrast=-8, warmth=6, fade=10),
    "carris": Look(saturation=12, contrast=22, brightness=-4),
    "cynarel": Look(saturation=-10, contrast=8, warmth=-8, tint=(0, 2, 5)),
    "cyren": Look(saturation=8, contrast=5, warmth=-12, tint=(-2, 3, 6)),
    "elmet": Look(saturation=-45, contrast=18, warmth=5),
    "elonni": Look(saturation=15, contrast=-5, brightness=6, tint=(4, 0, 3)),
    "enzana": Look(saturation=30, contrast=12, warmth=10, tint=(3, 0, -3)),
    "erydark": Look(saturation=-20, contrast=25, brightness=-12, warmth=-4),
    "fenralan": Look(saturation=-25, contrast=10, warmth=12, fade=8),
    "ferand": Look(saturation=10, contrast=18, warmth=-5),
    "galen": Look(saturation=25, contrast=-6, brightness=5, warmth=5),
    "gavin": Look(saturation=-35, contrast=15, warmth=-6, fade=6),
    "gethriel": Look(saturation=5, contrast=14, tint=(-3, 4, -2)),
    "iorill": Look(saturation=-12, contrast=-12, brightness=8, fade=6),
    "iothari": Look(saturation=18, contrast=16, warmth=14),
    "iselva": Look(saturation=-5, contrast=6, tint=(5, -2, 4)),
    "jadis": Look(saturation=-100, contrast=20),
    "lavra": Look(saturation=-100, contrast=5, brightness=6, fade=6),
    "misiara": Look(saturation=-60, contrast=10, tint=(6, 2, -4)),
    "namala": Look(saturation=35, contrast=20),
    "nerion": Look(saturation=-100, contrast=35, brightness=-6),
    "nethari": Look(saturation=-18, contrast=20, warmth=-10, fade=3),
    "pamaya": Look(saturation=22, contrast=4, brightness=4, tint=(5, 1, -2)),
    "sarnar": Look(saturation=-100, contrast=12, tint=(8, 4, -4)),
    "sedis": Look(saturation=-50, contrast=-10, brightness=5, fade=12),
    "sewen": Look(saturation=14, contrast=8, tint=(-4, 0, 6)),
    "sorahel": Look(saturation=-8, contrast=24, warmth=7, brightness=-3),
    "sorlen": Look(saturation=28, contrast=-10, warmth=6, fade=5),
    "tarian": Look(saturation=-22, contrast=14, tint=(4, 3, -5)),
    "thellassan": Look(saturation=6, contrast=10, warmth=-15, tint=(-3, 1, 3)),
    "varriel": Look(saturation=-40, contrast=28, brightness=3),
    "varven": Look(saturation=-28, contrast=-4, warmth=16, fade=6),
    "vevera": Look(saturation=40, contrast=8, brightness=3),
    "virkas": Look(saturation=-100, contrast=-8, fade=14),
    "yedis": Look(saturation=16, contrast=12, warmth=18, brightness=-2),
    "yllara": Look(saturation=-6, contrast=-15, brightness=10, warmth=4),
    "zatvel": Look(saturation=-70, contrast=22, warmth=-3),
    "zevcen": Look(saturation=10, contrast=30, brightness=2, tint=(2, -1, 2)),
}


def photo_filter(colours: pyvips.Image, name: str, amount: int) -> pyvips.Image:
    factors, offsets = LOOKS[name].matrix(amount / 100)
    return colours.recomb(factors) + offsets


FILTERS: Final[tuple[Operation, ...]] = (
    Effect(
        "filter",
        (
            argument.choice("name", {name: name for name in LOOKS}),
            argument.integer("amount", -100, 200, default=100),
        ),
        apply=photo_filter,
        is_pointwise=True,
    ),
)
