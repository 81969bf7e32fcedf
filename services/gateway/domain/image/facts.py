"""Facts about an image in the words of Uploadcare's API, as its file info and its `json` operation tell them."""

from collections.abc import Mapping
from typing import Any, Final

from contracts.events import ImageInfo

COLOR_MODES: Final = frozenset(["RGB", "RGBA", "RGBa", "RGBX", "L", "LA", "La", "P", "PA", "CMYK", "YCbCr", "HSV", "LAB"])
"""All that clients know; Pillow has more, which are shades of grey."""

UNKNOWN: Final[Mapping[str, Any]] = {
    "format": None, "width": None, "height": None, "color_mode": None, "orientation": None, "dpi": None, "sequence": False,
    "geo_location": None, "datetime_original": None,
}  # fmt: skip
"""Of an image that the inspection made nothing of."""


def stored_facts(inspected: Mapping[str, Any]) -> dict[str, Any]:
    """`inspected`: JSON of `contracts.events.ImageInfo`; the size is that of the pixels as they lie in the file."""
    image = ImageInfo.model_validate(inspected)
    place = image.geo_location
    return {
        "format": image.format.upper(),
        "width": image.width,
        "height": image.height,
        "color_mode": image.color_mode if image.color_mode in COLOR_MODES else "L",
        "orientation": image.orientation,
        "dpi": (round(image.dpi[0]), round(image.dpi[1])) if image.dpi else None,
        "sequence": image.sequence,
        "geo_location": {"latitude": place.latitude, "longitude": place.longitude} if place else None,
        "datetime_original": image.datetime_original,
    }


def upright_facts(inspected: Mapping[str, Any]) -> dict[str, Any]:
    """The same with the size of the upright image, which is the one that operations are applied to."""
    facts = stored_facts(inspected)
    if facts["orientation"] in (5, 6, 7, 8):
        facts["width"], facts["height"] = facts["height"], facts["width"]
    return facts
