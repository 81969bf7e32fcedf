"""Pictures made on the spot: the left half red, the right half blue, so that every turn and cut shows."""

import io

from PIL import Image

from tests.image_files.heic import heic

RED, BLUE, GREEN, WHITE = (255, 0, 0), (0, 0, 255), (0, 255, 0), (255, 255, 255)
Colour = tuple[int, ...]
TILE = 64
"""Edges of pictures that become HEIC are multiples of it."""


def halves(size: tuple[int, int] = (400, 200), mode: str = "RGB") -> Image.Image:
    image = Image.new("RGB", size, RED)
    image.paste(BLUE, (size[0] // 2, 0, *size))
    return image.convert(mode)


def encoded(image: Image.Image, image_format: str = "JPEG", *, orientation: int | None = None) -> bytes:
    if image_format == "HEIF":
        return heic(image.convert("RGB"), tile=TILE, orientation=orientation or 1)
    options: dict[str, object] = {} if image_format in ("GIF", "BMP") else {"quality": 95}
    if orientation is not None:
        exif = Image.Exif()
        exif[0x0112] = orientation
        options["exif"] = exif
    content = io.BytesIO()
    image.save(content, image_format, **options)
    return content.getvalue()


def decoded(content: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(content))
    image.load()
    return image


def colour(image: Image.Image, x: float, y: float) -> Colour:
    """At `x`, `y` in hundredths of the edges."""
    pixel = image.convert("RGB").getpixel((int(x * (image.width - 1) / 100), int(y * (image.height - 1) / 100)))
    assert isinstance(pixel, tuple)
    return pixel


def is_like(found: Colour, expected: Colour) -> bool:
    """But for what lossy encodings do."""
    return all(abs(one - other) < 24 for one, other in zip(found, expected, strict=True))


SVG = b"""<?xml version="1.0"?>
<svg xmlns="http://www.w3.org/2000/svg" width="400" height="200">
<rect width="200" height="200" fill="#f00"/><rect x="200" width="200" height="200" fill="#00f"/></svg>"""
