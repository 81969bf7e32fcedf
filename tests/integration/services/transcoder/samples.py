"""Media files made on the spot, and how to spoil them."""

import io
import random
import struct
import subprocess
import zlib
from pathlib import Path
from typing import Final

import imageio_ffmpeg
from PIL import ExifTags, Image

PICTURE: Final = ("-f", "lavfi", "-i", "testsrc=size={size}:duration={seconds}:rate=25")
SOUND: Final = ("-f", "lavfi", "-i", "sine=duration={seconds}")
FAST: Final = ("-preset", "ultrafast", "-pix_fmt", "yuv420p")


def ffmpeg(*arguments: str) -> None:
    subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), "-y", "-v", "error", "-nostdin", *arguments], check=True, timeout=60)


class Samples:
    """Each file is made when it is first asked for."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def video(
        self,
        name: str = "video.mp4",
        *,
        size: str = "320x240",
        seconds: float = 2,
        sound: bool = True,
        options: tuple[str, ...] = (),
    ) -> bytes:
        words = [*PICTURE, *(SOUND if sound else ())]
        inputs = [word.format(size=size, seconds=seconds) for word in words]
        return self._made(f"{size}-{seconds}-{sound}-{''.join(options).replace('/', '')}-{name}", *inputs, *FAST, *options)

    def rotated(self) -> bytes:
        path = self._folder / "rotated.mp4"
        if not path.exists():
            upright = self._folder / "upright.mp4"
            upright.write_bytes(self.video())
            ffmpeg("-display_rotation", "90", "-i", str(upright), "-c", "copy", str(path))
        return path.read_bytes()

    def sound(self, name: str) -> bytes:
        return self._made(name, *(word.format(seconds=2) for word in SOUND))

    def _made(self, name: str, *arguments: str) -> bytes:
        path = self._folder / name
        if not path.exists():
            ffmpeg(*arguments, str(path))
        return path.read_bytes()


def image(image_format: str, *, size: tuple[int, int] = (800, 600), mode: str = "RGB", **options: object) -> bytes:
    file = io.BytesIO()
    picture = Image.linear_gradient("L").resize(size).convert(mode)
    if mode == "RGBA":
        picture.putalpha(128)
    picture.save(file, image_format, **options)
    return file.getvalue()


def turned_jpeg(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010F] = "a camera"
    return image("JPEG", exif=exif, dpi=(300, 300))


def photograph() -> bytes:
    """Taken in Sydney."""
    exif = Image.Exif()
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = "2018:09:13 16:23:40"
    exif.get_ifd(ExifTags.IFD.GPSInfo).update({1: "S", 2: (33.0, 51.0, 21.96), 3: "E", 4: (151.0, 12.0, 33.48)})
    return image("JPEG", exif=exif.tobytes())


def animation() -> bytes:
    file = io.BytesIO()
    frames = [Image.new("RGB", (120, 80), color).convert("P") for color in ("red", "green", "blue")]
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:], duration=100)
    return file.getvalue()


def png_bomb(width: int = 20_000, height: int = 20_000) -> bytes:
    """A few kilobytes that decode to 400 megapixels."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    pixels = zlib.compress(bytes(width // 8 + 1) * height, 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def spoiled(content: bytes, seed: int) -> bytes:
    """Cut off or with bytes overwritten somewhere behind the magic number."""
    dice = random.Random(seed)
    if seed % 2:
        return content[: dice.randrange(16, max(17, len(content)))]
    damaged = bytearray(content)
    for _ in range(max(8, len(content) // 50)):
        damaged[dice.randrange(12, len(damaged))] = dice.randrange(256)
    return bytes(damaged)
