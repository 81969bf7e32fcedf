"""Opens files as images, each through the one decoder that its format names; no other decoder can be reached.

libvips decodes in strips and shrinks while it loads, so that a large photograph costs neither the memory of its pixels nor
the time to decode them all: https://www.libvips.org/API/current/ctor.Image.thumbnail.html
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol

import pyvips

from libs.image import heif, jpeg, png
from libs.image.error import TooLargeError
from libs.image.fallback_decoder import decode_with_libheif, decode_with_pillow
from libs.image.tone import as_srgb, has_standard_samples, normalize_samples

Size = tuple[int, int]

Load = Callable[..., pyvips.Image]


def _load_svg(path: str, **options: Any) -> pyvips.Image:
    """It does not learn where it lies, and so finds nothing beside itself (XInclude)."""
    return pyvips.Image.svgload_source(pyvips.Source.new_from_file(path), **options)


_LOADERS: Final[dict[str, tuple[str, Load]]] = {
    "jpeg": ("VipsForeignLoadJpeg", pyvips.Image.jpegload),
    "png": ("VipsForeignLoadPng", pyvips.Image.pngload),
    "gif": ("VipsForeignLoadNsgif", pyvips.Image.gifload),
    "webp": ("VipsForeignLoadWebp", pyvips.Image.webpload),
    "tiff": ("VipsForeignLoadTiff", pyvips.Image.tiffload),
    "avif": ("VipsForeignLoadHeif", pyvips.Image.heifload),
    "heic": ("VipsForeignLoadHeif", pyvips.Image.heifload),
    "svg": ("VipsForeignLoadSvg", _load_svg),
}
"""The family of loaders that is allowed, and the loader of it, by `libs.media_type.content.ImageFormat`. BMP has none."""


class Source(Protocol):
    """An image file that can be decoded; decoding raises `pyvips.Error` and others where the file is damaged."""

    @property
    def size(self) -> Size:
        """Width and height of the upright image."""

    def scaled(self, width: int, height: int) -> pyvips.Image:
        """In exactly that size, as sRGB. Decodes no more than the size needs."""

    def image(self) -> pyvips.Image:
        """In its own size, as sRGB."""


def open_image(
    path: str, image_format: str, max_pixels: int, *, autorotate: bool = True, kept_profile_bytes: float = 0
) -> Source:
    """`autorotate` turns photographs as their EXIF says; a colour profile of so many bytes at most is kept (`tone.as_srgb`).

    Raises TooLargeError before any pixels were decoded, DamagedImageError, or what the decoder raises.
    """

    def check(size: Size) -> None:
        if size[0] * size[1] > max_pixels:
            raise TooLargeError

    if _needs_pillow(path, image_format):
        return _DecodedSource(decode_with_pillow(path, image_format.upper(), check, kept_profile_bytes))
    head = read_head(path, image_format)
    check((head.width, head.height))
    if image_format in ("avif", "heic"):
        heif.check_whole(path)
    if image_format == "heic" and head.get("heif-compression") == "hevc":  # libvips has no decoder for it
        return _DecodedSource(decode_with_libheif(path, kept_profile_bytes))
    return _vips_source(path, image_format, head, autorotate=autorotate, kept_profile_bytes=kept_profile_bytes)


def _needs_pillow(path: str, image_format: str) -> bool:
    if image_format == "tiff":
        from libs.image import tiff  # with Pillow; `libs.image.DECODERS`

        return tiff.needs_pillow(path)
    return image_format == "bmp"


def read_head(path: str, image_format: str) -> pyvips.Image:
    """The image with its size and metadata; no pixels are decoded until they are asked for."""
    return _only_loader(image_format)(path)


def _only_loader(image_format: str) -> Load:
    family, load = _LOADERS[image_format]
    pyvips.operation_block_set("VipsForeignLoad", True)
    pyvips.operation_block_set(family, False)
    return load


def _vips_source(
    path: str, image_format: str, head: pyvips.Image, *, autorotate: bool, kept_profile_bytes: float
) -> "_VipsSource":
    orientation = head.get("orientation") if head.get_typeof("orientation") else 1
    is_turned = autorotate and orientation > 1
    size = (head.height, head.width) if is_turned and orientation >= 5 else (head.width, head.height)
    load = _only_loader(image_format)
    if image_format == "svg":
        return _SvgSource(path, load, "error", size, is_turned, kept_profile_bytes)
    if image_format == "jpeg" and not jpeg.has_end(path):
        return _VipsSource(jpeg.with_end(path), pyvips.Image.jpegload_buffer, "error", size, is_turned, kept_profile_bytes)
    if image_format == "png":
        png.check_picture(path)  # libvips is as strict with the checksums of what stands beside the picture
        return _ShrinkingSource(path, load, "truncated", size, is_turned, kept_profile_bytes)
    if image_format in ("avif", "heic"):  # libvips would rather take a thumbnail that the file brings, and refuses animations
        return _VipsSource(path, load, "error", size, is_turned, kept_profile_bytes)
    kind = _ShrinkingSource if has_standard_samples(head) else _NormalizedSource
    return kind(path, load, "error", size, is_turned, kept_profile_bytes)


@dataclass(frozen=True)
class _VipsSource:
    """A file that libvips reads."""

    input: Any
    load: Load
    fail_on: str
    """From which fault on a file is a damaged one, rather than grey: `VipsFailOn`."""
    size: Size
    is_turned: bool
    kept_profile_bytes: float = 0

    def scaled(self, width: int, height: int) -> pyvips.Image:
        return _resized(self.image(), width, height)

    def image(self) -> pyvips.Image:
        return as_srgb(self._upright(), self.kept_profile_bytes)

    def _upright(self) -> pyvips.Image:
        if self.is_turned:
            return self.load(self.input, fail_on=self.fail_on).autorot()
        return self.load(self.input, access="sequential", fail_on=self.fail_on)


class _ShrinkingSource(_VipsSource):
    """A file that libvips may decode at a fraction of its size."""

    def scaled(self, width: int, height: int) -> pyvips.Image:
        options = {"height": height, "size": "force", "no_rotate": not self.is_turned, "fail_on": self.fail_on}
        return as_srgb(pyvips.Image.thumbnail(self.input, width, **options), self.kept_profile_bytes)


class _NormalizedSource(_VipsSource):
    """A file whose samples are not simply 8 or 16 bits of grey or of three colours."""

    def image(self) -> pyvips.Image:
        return as_srgb(normalize_samples(self._upright), self.kept_profile_bytes)


class _SvgSource(_VipsSource):
    """A drawing, which is as sharp in any size."""

    def scaled(self, width: int, height: int) -> pyvips.Image:
        scale = max(width / self.size[0], height / self.size[1])
        return _resized(as_srgb(self.load(self.input, scale=scale, fail_on=self.fail_on)), width, height)


@dataclass(frozen=True)
class _DecodedSource:
    """A file that another decoder has read, as a whole."""

    pixels: pyvips.Image

    @property
    def size(self) -> Size:
        return self.pixels.width, self.pixels.height

    def scaled(self, width: int, height: int) -> pyvips.Image:
        return _resized(self.pixels, width, height)

    def image(self) -> pyvips.Image:
        return self.pixels


def _resized(image: pyvips.Image, width: int, height: int) -> pyvips.Image:
    return image.thumbnail_image(width, height=height, size="force")
