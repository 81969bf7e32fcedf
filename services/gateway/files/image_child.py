"""Makes one image of another, as JSON says: `python -I image_child.py <order>`. Runs in the sandbox, by path.

The order: `path`, `picture` (its format), `chain` (canonical), `accepts_webp`, `max_pixels` and `result` (a path). The answer:
`{"format", "width", "height"}`, or `{"error": …}`: `libs.image.error.ImageErrorCode`, or result_too_large.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import pyvips

sys.path.insert(0, str(Path(__file__).parents[3]))  # `-I` leaves it out

from libs.image.error import error_code
from libs.image.source import open_image
from services.gateway.domain.chain import read
from services.gateway.domain.geometry import Action, ResultTooLargeError, Scale, SmartCut, plan
from services.gateway.domain.operation import Chain, Format, Quality

JPEG_QUALITY: Final[dict[Quality, int]] = {
    "lightest": 50, "lighter": 70, "normal": 80, "better": 88, "best": 94, "smart": 80, "smart_retina": 60
}  # fmt: skip
WEBP_QUALITY: Final[dict[Quality, int]] = {
    "lightest": 45, "lighter": 62, "normal": 75, "better": 84, "best": 92, "smart": 75, "smart_retina": 55
}  # fmt: skip
AVIF_QUALITY: Final[dict[Quality, int]] = {
    "lightest": 32, "lighter": 42, "normal": 52, "better": 62, "best": 75, "smart": 52, "smart_retina": 40
}  # fmt: skip
"""Chosen so that one word looks alike in all formats."""


def main() -> None:
    order = json.loads(sys.argv[1])
    try:
        answer = make(order)
    except ResultTooLargeError:
        answer = {"error": "result_too_large"}
    except Exception as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        answer = {"error": error_code(error)}
    json.dump(answer, sys.stdout)


def make(order: Mapping[str, Any]) -> dict[str, Any]:
    chain = read(order["chain"]).chain
    source = open_image(order["path"], order["picture"], order["max_pixels"], autorotate=chain.autorotate)
    actions = plan(chain.steps, source.size)
    first = actions[0] if actions else None
    if isinstance(first, Scale):
        image, actions = source.scaled(first.width, first.height), actions[1:]
    else:
        image = source.image()
    for action in actions:
        image = applied(action, image)
    chosen = chosen_format(chain.format, order, image)
    save(image, order["result"], chosen, chain)
    return {"format": chosen, "width": image.width, "height": image.height}


def applied(action: Action, image: pyvips.Image) -> pyvips.Image:
    if isinstance(action, Scale):
        return image.thumbnail_image(action.width, height=action.height, size="force")
    if isinstance(action, SmartCut):
        return image.copy_memory().smartcrop(action.width, action.height, interesting="attention")
    if 0 <= action.x <= image.width - action.width and 0 <= action.y <= image.height - action.height:
        return image.crop(action.x, action.y, action.width, action.height)
    if action.fill is not None and len(action.fill) == 8 and not image.hasalpha():
        image = image.addalpha()
    background = colour(action.fill, image)
    if action.x >= image.width or action.y >= image.height:  # nothing of the image is left
        return image.new_from_image(background).embed(0, 0, action.width, action.height, extend="copy")
    return image.embed(-action.x, -action.y, action.width, action.height, extend="background", background=background)


def colour(fill: str | None, image: pyvips.Image) -> Sequence[int]:
    """One number for each of the image's bands: the fill colour, else nothing at all, else white."""
    if fill is None:
        return [0, 0, 0, 0] if image.hasalpha() else [255, 255, 255]
    return list(bytes.fromhex(fill.ljust(8, "f")))[: image.bands]


def chosen_format(asked: Format, order: Mapping[str, Any], image: pyvips.Image) -> str:
    """https://uploadcare.com/docs/compression/#operation-format, but that `auto` never spends the time that AVIF takes."""
    if asked == "auto" and order["accepts_webp"]:
        return "webp"
    if asked == "preserve" and order["picture"] in ("jpeg", "png"):
        return str(order["picture"])
    if asked in ("auto", "preserve"):
        return "png" if image.hasalpha() else "jpeg"
    return asked


def save(image: pyvips.Image, path: str, chosen: str, chain: Chain) -> None:
    """Without metadata: no place and no camera is told to strangers."""
    if chosen == "jpeg":
        if image.hasalpha():
            image = image.flatten(background=list(bytes.fromhex(chain.fill or "ffffff"))[:3])
        image.jpegsave(path, Q=JPEG_QUALITY[chain.quality], keep="none", optimize_coding=True, interlace=True)
    elif chosen == "png":
        image.pngsave(path, keep="none", compression=6)
    elif chosen == "webp":
        image.webpsave(path, Q=WEBP_QUALITY[chain.quality], keep="none", effort=3)
    else:
        image.heifsave(path, Q=AVIF_QUALITY[chain.quality], keep="none", compression="av1", effort=2)


if __name__ == "__main__":
    main()
