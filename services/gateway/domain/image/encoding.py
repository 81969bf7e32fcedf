"""Operations on how the result is encoded. https://uploadcare.com/docs/compression/

What they say counts for the whole chain, wherever they stand, except that `stretch` and `setfill` count for what follows.
"""

from typing import Final

from services.gateway.domain.image import argument
from services.gateway.domain.image.operation import DeliveryOption, NoOperation, Operation, Setting

_YES_OR_NO: Final = {"yes": True, "no": False}
_FORMATS: Final = ("jpeg", "png", "webp", "avif", "auto", "preserve")
_QUALITIES: Final = ("normal", "better", "best", "lighter", "lightest", "smart", "smart_retina")
MAX_ICC_KILOBYTES: Final = 1_000_000


def _words(name: str, words: tuple[str, ...]) -> tuple[argument.Argument]:
    return (argument.choice(name, {word: word for word in words}),)


STRETCH: Final = Setting("stretch", _words("mode", ("on", "off", "fill")))
SETFILL: Final = Setting("setfill", (argument.colour(),))

FORMAT: Final = Setting("format", _words("format_name", _FORMATS))

OF_THE_RESULT: Final = (
    Setting("quality", _words("quality_name", _QUALITIES)),
    Setting("progressive", (argument.choice("flag", _YES_OR_NO),)),
    Setting("strip_meta", _words("mode", ("all", "none", "sensitive"))),
    Setting("srgb", _words("type", ("fast", "icc", "keep_profile"))),
    Setting("max_icc_size", (argument.integer("number", 0, MAX_ICC_KILOBYTES),)),
    Setting("autorotate", (argument.choice("flag", _YES_OR_NO),)),
)

ENCODING: Final[tuple[Operation, ...]] = (
    STRETCH,
    SETFILL,
    FORMAT,
    *OF_THE_RESULT,
    NoOperation("rasterize", needs_image=True),  # vector graphics become pixels with any operation
    DeliveryOption("inline", (argument.choice("flag", _YES_OR_NO),)),
    NoOperation(  # which component of the vendor's library asks
        "@clib",
        (argument.any_word("library"), argument.any_word("version"), argument.any_word("component")),
        needs_image=False,
    ),
)
