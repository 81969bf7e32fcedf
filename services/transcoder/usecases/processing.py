"""What is done with a media file: download, inspect, derive, publish, announce."""

import asyncio
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final, Literal

from contracts.events import Rendition
from libs.media_type.content import Content, sniff_file
from libs.object_store.port import ObjectStore
from libs.sandbox.workspace import Workspace
from services.transcoder.adapters.ffmpeg import MASTER
from services.transcoder.adapters.image_inspector import ImageInspector
from services.transcoder.adapters.inspector import Inspector
from services.transcoder.adapters.transcoder import Transcoder, variants
from services.transcoder.domain.content_type import is_claimed_media, refined
from services.transcoder.domain.error import MediaError, UnreadableMediaError
from services.transcoder.domain.job import Job
from services.transcoder.domain.media import MadeFile
from services.transcoder.domain.object_key import renditions_prefix
from services.transcoder.usecases.publishing import CONTENT_TYPES, RenditionPublisher
from services.transcoder.usecases.report import Reporter
from services.transcoder.usecases.streaming import GrowingStream

CONCURRENT_WRITES: Final = 4

Kind = Literal["thumbnail", "poster", "mp4", "hls_playlist"]

_KINDS: Final[dict[str, Kind]] = {
    "thumbnail": "thumbnail",
    "poster": "poster",
    "video": "mp4",
    "index": "hls_playlist",
    "master": "hls_playlist",
}


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
            publisher = RenditionPublisher(self.store, renditions_prefix(job.upload.upload_id), output, self._writes)
            if content.image_format is not None:
                made = await self._image(job, path, content, output, progress)
            else:
                made = await self._media(job, path, content, publisher, progress)
            await publisher.publish([file.name for file in made])
            return [_rendition(publisher.prefix, output, file) for file in made]

    async def _image(self, job: Job, path: Path, content: Content, output: Path, progress: Progress) -> list[MadeFile]:
        found = await self.images.run(path, content, output if job.upload.transcode else None)
        if isinstance(found.problem, UnreadableMediaError) and not is_claimed_media(job.upload.object.content_type):
            raise found.problem  # it may well be no image at all
        await self.reporter.inspected(job, content.mime_type, found.info, None)
        progress.is_inspected = True
        if found.problem is not None:
            raise found.problem
        return [found.thumbnail] if found.thumbnail else []

    async def _media(
        self, job: Job, path: Path, content: Content, publisher: RenditionPublisher, progress: Progress
    ) -> list[MadeFile]:
        source = await self.inspector.media(path, content)
        progress.mime_type = refined(content.mime_type, has_video=source.video is not None)
        await self.reporter.inspected(job, progress.mime_type, None, source.info)
        progress.is_inspected = True
        if source.video is None or not job.upload.transcode:
            return []
        output = publisher.output
        stream = GrowingStream(
            publisher, job.upload.upload_id, job.lease, variants(output, source.video),
            partial(self.reporter.stream_started, job, MASTER),
        )  # fmt: skip
        try:
            async with stream.publishing():
                return await self.transcoder.run(
                    path, output, source.video,
                    segment_prefix=stream.segment_prefix, on_percent=progress.reach, on_growth=stream.look,
                )  # fmt: skip
        except MediaError:
            await self.reporter.confirm(job)  # what another worker has published since then is not ours to delete
            await stream.withdraw()
            raise


def _sniff_file(path: Path) -> Content:
    with path.open("rb") as file:
        return sniff_file(file)


def _rendition(prefix: str, output: Path, made: MadeFile) -> Rendition:
    path = output / made.name
    return Rendition(
        name=made.name, kind=_KINDS[path.stem], key=prefix + made.name, content_type=CONTENT_TYPES[path.suffix],
        size_bytes=path.stat().st_size, width=made.width, height=made.height,
        duration_seconds=made.duration_seconds,
    )  # fmt: skip
