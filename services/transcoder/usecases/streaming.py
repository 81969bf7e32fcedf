"""Publishes the HLS of a video while ffmpeg is still making it.

Segments go to their final keys, as soon as they are whole; their names are those of this attempt alone, so that a key never
leads to other bytes. Playlists that grow lie beside the final ones, under keys of their own (`growing_prefix`).

An attempt that comes after a broken one has no use for what that one made. Viewers do not notice: all attempts cut the video at
the same times, and the playlist of the earlier one stands until that of the new one is as long.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from uuid import UUID

import structlog

from contracts.ids import UploadId
from libs.jobs.lease import LeaseLostError
from libs.object_store.port import StoreUnavailableError, delete_prefix
from services.transcoder.adapters.ffmpeg import MASTER
from services.transcoder.adapters.playlist import MAX_BYTES, Variant, growing_master, segment_names
from services.transcoder.domain.object_key import growing_prefix
from services.transcoder.usecases.publishing import CONTENT_TYPES, RenditionPublisher

log = structlog.get_logger()


class GrowingStream:
    def __init__(
        self,
        publisher: RenditionPublisher,
        upload_id: UploadId,
        attempt: UUID,
        variants: Sequence[Variant],
        on_start: Callable[[], Awaitable[None]],
    ) -> None:
        """`on_start` is called once, when the video can be played; it may raise LeaseLostError.

        `attempt` is another one each time.
        """
        self._store = publisher.store
        self._publisher = publisher
        self._upload_id = upload_id
        self._prefix = growing_prefix(upload_id)
        self._variants = variants
        self._on_start = on_start
        self._lengths: dict[str, int] = {}
        """How many segments each playlist names that viewers see by now, by its name."""
        self._is_started = False
        self._has_grown = asyncio.Event()
        self.segment_prefix = f"{attempt.hex[:8]}-"

    def look(self) -> None:
        """There may be more."""
        self._has_grown.set()

    @asynccontextmanager
    async def publishing(self) -> AsyncIterator[None]:
        """As long as this is entered. A store that is away only delays it: in the end all is published together."""
        task = asyncio.create_task(self._run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])

    async def withdraw(self) -> None:
        """Deletes all that was published, by earlier attempts too: the video cannot be made. The cleaner finds what is left."""
        with suppress(StoreUnavailableError, OSError, TimeoutError):
            await delete_prefix(self._store, self._prefix)
            await delete_prefix(self._store, self._publisher.prefix)

    async def _run(self) -> None:
        while True:
            await self._has_grown.wait()
            self._has_grown.clear()
            try:
                await self._grow()
            except LeaseLostError:
                return  # whoever keeps the lease will find out as well
            except (StoreUnavailableError, OSError, TimeoutError) as error:
                log.warning("stream.not_published", upload_id=str(self._upload_id), error=type(error).__name__)
            except Exception as error:
                log.error("stream.unexpected_error", upload_id=str(self._upload_id), exc_info=error)

    async def _grow(self) -> None:
        playlists = await asyncio.to_thread(self._read)
        if len(playlists) < len(self._variants):
            return  # a viewer may choose any variant
        if not self._is_started:
            await self._find_earlier(playlists)
        for name, playlist in playlists.items():
            await self._publish(name, playlist)
        if not self._is_started:
            await self._start()

    def _read(self) -> dict[str, str]:
        """The texts of the variants' playlists, by their names; ffmpeg replaces each as a whole."""
        found = {}
        for variant in self._variants:
            if variant.playlist.exists():
                found[variant.playlist.relative_to(self._publisher.output).as_posix()] = variant.playlist.read_text()
        return found

    async def _find_earlier(self, names: Iterable[str]) -> None:
        """What an earlier attempt has left."""
        for name in names:
            earlier = await self._store.peek(self._prefix + name, MAX_BYTES)
            if earlier is not None and earlier.content is not None:
                self._lengths[name] = len(segment_names(earlier.content.decode()))

    async def _publish(self, name: str, playlist: str) -> None:
        segments, folder = segment_names(playlist), name.rpartition("/")[0]
        await self._publisher.write_new(f"{folder}/{segment}" for segment in segments)
        if len(segments) > self._lengths.get(name, 0):
            await self._write(name, playlist)
            self._lengths[name] = len(segments)

    async def _start(self) -> None:
        master = self._publisher.output / MASTER
        await self._write(MASTER, await asyncio.to_thread(growing_master, self._variants, master.parent))
        await self._on_start()
        self._is_started = True

    async def _write(self, name: str, playlist: str) -> None:
        await self._store.write(self._prefix + name, _content(playlist), content_type=CONTENT_TYPES[".m3u8"])


async def _content(text: str) -> AsyncIterator[bytes]:
    yield text.encode()
