"""What is done with a media file: download, inspect, derive, publish, announce."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from contracts.events import Rendition
from libs.media_type.content import Content, sniff_file
from libs.object_store.port import ObjectStore
from libs.sandbox.workspace import Workspace
from services.transcoder.adapters.image_inspector import ImageInspector
from services.transcoder.adapters.inspector import Inspector
from services.transcoder.adapters.transcoder import Transcoder
from services.transcoder.domain.content_type import is_claimed_media, refined
from services.transcoder.domain.error import UnreadableMediaError
from services.transcoder.domain.job import Job
from services.transcoder.domain.media import MadeFile
from services.transcoder.usecases.report import Reporter

CONCURRENT_WRITES: Final = 4

Kind = Literal["thumbnail", "poster", "mp4", "hls_playlist"]

_KINDS: Final[dict[str, Kind]] = {
    "thumbnail": "thumbnail",
    "poster": "poster",
    "video": "mp4",
    "index": "hls_playlist",
    "master": "hls_playlist",
}
_CONTENT_TYPES: Final = {
    ".jpg": "image/jpeg", ".png": "image/png", ".mp4": "video/mp4", ".ts": "video/mp2t",
    ".m3u8": "application/vnd.apple.mpegurl",
}  # fmt: skip


def renditions_prefix(job: Job) -> str:
    return f"files/{job.upload.upload_id}/renditions/"


@dataclass
class Progress:
    """How far a job is: somebody else looks here and says so."""

    percent: int = 0
    mime_type: str | None = None
    is_inspected: bool = False
    """It is the media file that its first bytes promise, and that has been said."""

    def reach(self, percent: int) -> None:
        self.percent = max(self.percent, percent)


@dataclass(frozen=True)
class Processor:
    store: ObjectStore
    reporter: Reporter
    workspace: Workspace
    inspector: Inspector
    images: ImageInspector
    transcoder: Transcoder
    _writes: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(CONCURRENT_WRITES))

    async def run(self, job: Job, progress: Progress) -> list[Rendition]:
        """Raises MediaError, LeaseLostError and the store's errors."""
        async with self.workspace.folder() as folder:
            path, output = folder / "in.bin", folder / "out"
            await self.store.download(job.upload.object.key, path)
            content = await asyncio.to_thread(_sniff_file, path)
            progress.mime_type = content.mime_type
            await asyncio.to_thread(output.mkdir)
            if content.image_format is not None:
                made = await self._image(job, path, content, output, progress)
            else:
                made = await self._media(job, path, content, output, progress)
            return await self._publish(job, output, made)

    async def _image(self, job: Job, path: Path, content: Content, output: Path, progress: Progress) -> list[MadeFile]:
        found = await self.images.run(path, content, output if job.upload.transcode else None)
        if isinstance(found.problem, UnreadableMediaError) and not is_claimed_media(job.upload.object.content_type):
            raise found.problem  # it may well be no image at all
        await self.reporter.inspected(job, content.mime_type, found.info, None)
        progress.is_inspected = True
        if found.problem is not None:
            raise found.problem
        return [found.thumbnail] if found.thumbnail else []

    async def _media(self, job: Job, path: Path, content: Content, output: Path, progress: Progress) -> list[MadeFile]:
        source = await self.inspector.media(path, content)
        progress.mime_type = refined(content.mime_type, has_video=source.video is not None)
        await self.reporter.inspected(job, progress.mime_type, None, source.info)
        progress.is_inspected = True
        if source.video is None or not job.upload.transcode:
            return []
        return await self.transcoder.run(path, output, source.video, progress.reach)

    async def _publish(self, job: Job, output: Path, made: Sequence[MadeFile]) -> list[Rendition]:
        """Segments first, what refers to them last: nothing that can be read points at what is not there yet."""
        if not made:
            return []
        prefix = renditions_prefix(job)
        named = {file.name for file in made}
        files = await asyncio.to_thread(_files, output)
        await self._write_all(prefix, output, [name for name in files if name not in named])
        await self._write_all(prefix, output, [file.name for file in reversed(made)])
        return [_rendition(prefix, output, file) for file in made]

    async def _write_all(self, prefix: str, output: Path, names: Sequence[str]) -> None:
        async def write(name: str) -> None:
            async with self._writes:
                await self.store.write(prefix + name, output / name, content_type=_CONTENT_TYPES[Path(name).suffix])

        try:
            async with asyncio.TaskGroup() as group:
                for name in names:
                    group.create_task(write(name))
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None


def _sniff_file(path: Path) -> Content:
    with path.open("rb") as file:
        return sniff_file(file)


def _files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def _rendition(prefix: str, output: Path, made: MadeFile) -> Rendition:
    path = output / made.name
    return Rendition(
        name=made.name, kind=_KINDS[path.stem], key=prefix + made.name, content_type=_CONTENT_TYPES[path.suffix],
        size_bytes=path.stat().st_size, width=made.width, height=made.height,
        duration_seconds=made.duration_seconds,
    )  # fmt: skip
