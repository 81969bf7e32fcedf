"""Inspection and transcoding of one file, without jobs, messages and a store."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import imageio_ffmpeg

from libs.media_type.content import sniff_file
from libs.sandbox.sandbox import Limits, Sandbox
from services.transcoder.adapters.inspector import Inspector
from services.transcoder.adapters.program import preload
from services.transcoder.adapters.transcoder import Transcoder
from services.transcoder.domain.media import MadeFile, Source

LIMITS: Final = Limits(wall_seconds=60, memory_bytes=3 << 30, cpu_seconds=60, file_bytes=64 << 20)


@dataclass(frozen=True)
class Transcoded:
    source: Source
    files: dict[str, MadeFile]
    folder: Path

    def path(self, name: str) -> Path:
        return self.folder / name


async def inspected(content: bytes, folder: Path) -> Source:
    path = folder / "in.bin"
    path.write_bytes(content)
    with path.open("rb") as file:
        found = sniff_file(file)
    programs = preload(Sandbox("strict"))
    try:
        return await Inspector(programs, 40_000_000).media(path, found)
    finally:
        await programs.close()


async def transcoded(content: bytes, folder: Path) -> Transcoded:
    source = await inspected(content, folder)
    assert source.video is not None
    output = folder / "out"
    output.mkdir()
    transcoder = Transcoder(
        sandbox=Sandbox("strict"), program=Path(imageio_ffmpeg.get_ffmpeg_exe()), limits=LIMITS, threads=2,
        max_pixels=40_000_000, max_duration_seconds=3600, max_output_bytes=64 << 20,
    )  # fmt: skip
    files = await transcoder.run(
        folder / "in.bin", output, source.video,
        segment_prefix="", on_percent=lambda _percent: None, on_growth=lambda: None,
    )  # fmt: skip
    return Transcoded(source, {file.name: file for file in files}, output)
