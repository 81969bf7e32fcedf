"""Small real media, made once per run."""

import subprocess
from pathlib import Path

import imageio_ffmpeg


def make_video(path: Path) -> Path:
    """Two seconds of a moving test picture with a tone: H.264 and AAC in MP4, 320x240."""
    _ffmpeg(
        *("-f", "lavfi", "-i", "testsrc2=size=320x240:rate=24:duration=2"),
        *("-f", "lavfi", "-i", "sine=frequency=440:duration=2"),
        *("-c:v", "libx264", "-pix_fmt", "yuv420p", "-c:a", "aac", "-shortest", str(path)),
    )
    return path


def make_image(path: Path) -> Path:
    _ffmpeg("-f", "lavfi", "-i", "testsrc2=size=640x480:duration=1", "-frames:v", "1", str(path))
    return path


def _ffmpeg(*arguments: str) -> None:
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-loglevel", "error", "-y", *arguments]
    subprocess.run(command, check=True, timeout=60)
