"""Says what an image is, then makes a thumbnail of it, each as a line of JSON. Runs in the sandbox, preloaded.

Arguments: `<file> <format> <max pixels> <thumbnail edge> <folder for the thumbnail, or - for none>`

The first line: `{"facts": {…}}`, the fields of `contracts.events.ImageInfo`. It is written before anything is decoded, so that
it is there even where decoding costs this program its life. The second one: `{"thumbnail": {…}}`, null for none; the image is
decoded nevertheless, to know whether it is whole. In place of either, as the last line: `{"error": …}`, which is
`libs.image.error.ImageErrorCode`; details go to stderr.
"""

import json
import sys
import warnings
from typing import Any, Final

from libs.image.error import error_code
from libs.image.source import Size, open_image
from services.transcoder.adapters.image_facts import read_facts

QUALITY: Final = 82
"""Of JPEG, from 1 to 100."""
OPAQUE: Final = 255


def main() -> None:
    path, image_format, max_pixels, edge, folder = sys.argv[1:6]
    warnings.simplefilter("ignore")  # Pillow warns of much that is wrong with a file
    try:
        write(facts=read_facts(path, image_format))
        write(thumbnail=make_thumbnail(path, image_format, int(max_pixels), int(edge), None if folder == "-" else folder))
    except Exception as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        write(error=error_code(error))


def write(**line: Any) -> None:
    sys.stdout.write(f"{json.dumps(line)}\n")
    sys.stdout.flush()


def make_thumbnail(path: str, image_format: str, max_pixels: int, edge: int, folder: str | None) -> dict[str, Any] | None:
    """The first frame upright within `edge` x `edge`, never enlarged; PNG where something is transparent, else JPEG."""
    source = open_image(path, image_format, max_pixels)
    image = source.scaled(*fit(source.size, edge)).copy_memory()
    if folder is None:
        return None
    if image.hasalpha() and image.extract_band(image.bands - 1).min() < OPAQUE:
        name = "thumbnail.png"
        image.pngsave(f"{folder}/{name}", keep="none")
    else:
        name = "thumbnail.jpg"
        image.extract_band(0, n=3).jpegsave(f"{folder}/{name}", keep="none", Q=QUALITY, optimize_coding=True)
    return {"name": name, "width": image.width, "height": image.height}


def fit(size: Size, edge: int) -> Size:
    scale = min(1.0, edge / size[0], edge / size[1])
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))
