"""Opens one image and says what it is, as JSON; writes a thumbnail where one is wanted. Runs in the sandbox, by path.

`python -I image_child.py <file> <Pillow format> <max pixels> <thumbnail edge, 0 for none> <folder for the thumbnail>`
Errors: `{"error": "unreadable" | "too_large"}`; details go to stderr.
"""

import json
import sys
import warnings
from typing import Any

from PIL import Image

MAX_EDGE = 65_500


def main() -> None:
    path, image_format, max_pixels, edge, folder = sys.argv[1:6]
    warnings.simplefilter("ignore")
    Image.MAX_IMAGE_PIXELS = None  # our own limit is checked below, before anything is decoded
    try:
        answer = inspect(path, image_format, int(max_pixels), int(edge), folder)
    except MemoryError:
        answer = {"error": "too_large"}
    except Exception as error:  # the file's fault: Pillow raises almost anything for hostile input
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        answer = {"error": "unreadable"}
    json.dump(answer, sys.stdout)


def inspect(path: str, image_format: str, max_pixels: int, edge: int, folder: str) -> dict[str, Any]:
    with Image.open(path, formats=(image_format,)) as image:
        width, height = image.size
        if width * height > max_pixels or max(width, height) > MAX_EDGE:
            return {"error": "too_large"}
        answer: dict[str, Any] = {
            "format": "JPEG" if image.format == "MPO" else image.format,
            "width": width,
            "height": height,
            "orientation": orientation(image),
            "color_mode": image.mode,
            "dpi": dpi(image),
            "sequence": image.format != "MPO" and bool(getattr(image, "is_animated", False)),
        }
        if edge and image_format == "JPEG":
            image.draft(None, (edge * 2, edge * 2))  # decodes at a fraction of the size: less time and memory
        image.load()
        if edge:
            answer["thumbnail"] = thumbnail(image, edge, folder)
        return answer


def orientation(image: Image.Image) -> int | None:
    try:
        value = image.getexif().get(0x0112)
    except Exception:  # damaged EXIF does not make the pixels worthless
        return None
    return value if isinstance(value, int) and 1 <= value <= 8 else None


def dpi(image: Image.Image) -> tuple[float, float] | None:
    try:
        x, y = (round(float(value), 2) for value in image.info["dpi"])
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None
    return (x, y) if 0 < x < 1e6 and 0 < y < 1e6 else None


def thumbnail(image: Image.Image, edge: int, folder: str) -> dict[str, Any]:
    """The first frame upright within `edge` x `edge`, never enlarged; PNG where something is transparent, else JPEG."""
    profile = image.info.get("icc_profile")
    small = as_rgb(image)
    small = turned(small, orientation(image))
    small.thumbnail((edge, edge), Image.Resampling.LANCZOS)
    name, options = ("thumbnail.png", {"optimize": True}) if small.mode == "RGBA" else ("thumbnail.jpg", {"quality": 82})
    if profile and image.mode in ("RGB", "RGBA"):
        options["icc_profile"] = profile
    small.save(f"{folder}/{name}", **options)
    return {"name": name, "width": small.width, "height": small.height}


def turned(image: Image.Image, value: int | None) -> Image.Image:
    methods = {
        2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_90,
    }  # fmt: skip
    return image.transpose(methods[value]) if value in methods else image


def as_rgb(image: Image.Image) -> Image.Image:
    """RGBA where it has transparency, else RGB; 16 bit greyscale is scaled, not cut off."""
    if image.mode in ("RGBA", "RGB"):
        has_key = image.mode == "RGB" and "transparency" in image.info
        return image.convert("RGBA") if has_key else image
    if image.mode in ("LA", "PA", "RGBa", "La") or "transparency" in image.info:
        return image.convert("RGBA")
    if image.mode.startswith("I;16") or image.mode == "I":
        return image.point(lambda value: value / 256).convert("L").convert("RGB")
    return image.convert("RGB")


if __name__ == "__main__":
    main()
