"""How the pixels of a video stand for colors, in the numbers of ITU-T H.273, which ffmpeg's filters take as they are.

Every rendition is BT.709 in limited range: what every player and every display without HDR shows right.
"""

from dataclasses import dataclass, replace
from typing import Final

from services.transcoder.domain.ladder import Size

RGB: Final = 0
BT709: Final = 1
UNSPECIFIED: Final = 2
SMPTE170M: Final = 6
BT2020: Final = 9
ICTCP: Final = 14
PQ: Final = 16
HLG: Final = 18

_MATRICES: Final = frozenset({RGB, BT709, 4, 5, SMPTE170M, 7, 8, BT2020, 10, 12, 13, ICTCP})
_PRIMARIES: Final = frozenset({BT709, 4, 5, 6, 7, 8, BT2020, 11, 12, 22})
_TRANSFERS: Final = frozenset({BT709, 4, 5, 6, 7, 8, 11, 13, 14, 15, PQ, HLG})
"""What can be converted; any other number says nothing."""
_MATRIX_TRANSFERS: Final = {10: frozenset({BT709, 6, 14, 15}), ICTCP: frozenset({PQ, HLG})}
"""BT.2020 with constant luminance and ICtCp are defined for these curves alone."""
_WIDE_PRIMARIES: Final = frozenset({BT2020, 11, 12})
"""BT.2020 and both forms of P3 hold colors that BT.709 does not have."""


@dataclass(frozen=True)
class Color:
    matrix: int = UNSPECIFIED
    primaries: int = UNSPECIFIED
    transfer: int = UNSPECIFIED
    is_full_range: bool = False

    @property
    def is_hdr(self) -> bool:
        return self.transfer in (PQ, HLG)

    @property
    def is_wide(self) -> bool:
        return self.primaries in _WIDE_PRIMARIES

    @property
    def is_converted(self) -> bool:
        """True where the numbers of the pixels must change to become BT.709 in limited range.

        The transfer curves of SDR video are near enough to each other to be shown alike, which is what players do.
        """
        return self.is_hdr or self.is_wide or self.is_full_range or self.matrix != BT709


def with_defaults(declared: Color, size: Size) -> Color:
    """`declared`, completed with what players assume: BT.601 for small pictures, BT.709 for large ones, BT.2020 for HDR."""
    transfer = declared.transfer if declared.transfer in _TRANSFERS else BT709
    primaries = declared.primaries if declared.primaries in _PRIMARIES else BT2020 if transfer in (PQ, HLG) else BT709
    matrix = declared.matrix
    if matrix == ICTCP:
        primaries = BT2020
    if matrix not in _MATRICES or transfer not in _MATRIX_TRANSFERS.get(matrix, _TRANSFERS):
        is_large = size.width >= 1280 or size.height >= 720
        matrix = BT2020 if primaries == BT2020 else BT709 if is_large else SMPTE170M
    return replace(declared, matrix=matrix, primaries=primaries, transfer=transfer)
