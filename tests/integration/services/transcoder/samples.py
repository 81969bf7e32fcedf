"""Media files made on the spot, and how to spoil them."""

import io
import random
import struct
import subprocess
import zlib
from pathlib import Path
from typing import Final

import av
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
        self.folder = folder

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
        path = self.folder / "rotated.mp4"
        if not path.exists():
            upright = self.folder / "upright.mp4"
            upright.write_bytes(self.video())
            ffmpeg("-display_rotation", "90", "-i", str(upright), "-c", "copy", str(path))
        return path.read_bytes()

    def sound(self, name: str) -> bytes:
        return self._made(name, *(word.format(seconds=2) for word in SOUND))

    def film(self, name: str, *inputs: str, options: tuple[str, ...] = ()) -> bytes:
        """Of `inputs` of lavfi, or of files in the folder of samples; 64x64 pictures of 25 frames per second, as a rule."""
        given = [word for text in inputs for word in (("-f", "lavfi") if "=" in text else ()) + ("-i", text)]
        return self._made(name, *given, *FAST, *options)

    def subtitles(self, end: str) -> str:
        """A subtitle file whose last line ends then; its path."""
        path = self.folder / f"until-{end.replace(':', '')}.srt"
        path.write_text(f"1\n00:00:00,100 --> 00:00:01,000\nhello\n\n2\n00:00:01,500 --> {end},000\nbye\n")
        return str(path)

    def still_screen(self, name: str, seconds: int) -> bytes:
        """A second of motion, whose last frame stands so long."""
        path = self.folder / name
        if not path.exists():
            moving = self.folder / "moving.mp4"
            moving.write_bytes(self.film("moving-64.mp4", "testsrc2=s=64x64:d=1:r=25", options=("-bf", "0")))
            with av.open(str(moving)) as source, av.open(str(path), "w") as target:
                stream = target.add_stream_from_template(source.streams.video[0])
                packets = [packet for packet in source.demux(video=0) if packet.dts is not None]
                assert packets[-1].time_base is not None
                packets[-1].duration = int(seconds / packets[-1].time_base)
                for packet in packets:
                    packet.stream = stream
                    target.mux(packet)
        return path.read_bytes()

    def _made(self, name: str, *arguments: str) -> bytes:
        path = self.folder / name
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
