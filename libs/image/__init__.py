"""Opens still images that strangers made, for programs that run in the sandbox."""

from typing import Final

VARIABLES: Final = {"VIPS_CONCURRENCY": "2", "VIPS_DISC_THRESHOLD": "64m", "MALLOC_ARENA_MAX": "2"}
"""The environment of such a program. Each thread takes address space; what does not fit into memory lies in its folder."""

DECODERS: Final = (
    "PIL.AvifImagePlugin", "PIL.BmpImagePlugin", "PIL.GifImagePlugin", "PIL.ImageOps", "PIL.JpegImagePlugin",
    "PIL.PngImagePlugin", "PIL.PpmImagePlugin", "PIL.WebPImagePlugin", "libs.image.tiff", "pi_heif",
)  # fmt: skip
"""What some images need and others do not: `libs.sandbox.preloaded` imports it once for all of them."""
