"""Images made of published ones: made once, kept in the object store beside the original, and gone with it."""

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import structlog

from contracts.ids import UploadId
from libs.media_type.content import SNIFF_BYTES, sniff
from libs.object_store.port import ObjectInfo, ObjectNotFoundError, ObjectStore
from libs.runtime.single_flight import SingleFlight
from libs.sandbox.workspace import Workspace
from libs.web.route import NotFoundError
from services.gateway.domain.image.transformation import Transformation
from services.gateway.domain.served_file import ServedFile
from services.gateway.files.image import ImageError, ImageMaker, NotAnImageError
from services.gateway.files.metric import IMAGES
from services.gateway.files.object_cache import ObjectCache, ServedObject
from services.gateway.files.refusal import Refusals

EDITION: Final = 2
"""Raised whenever the same transformation comes to make another image: what was made before is not served any more."""

log = structlog.get_logger()

IsPublished = Callable[[UploadId], Awaitable[bool]]


@dataclass(frozen=True)
class ImageRequest:
    upload: ServedFile
    transformation: Transformation
    accepts_webp: bool

    @property
    def key(self) -> str:
        """Equal for all that get the same image."""
        negotiated = "webp" if self.accepts_webp and self.transformation.negotiates else ""
        digest = hashlib.sha256(f"{EDITION} {self.transformation.canonical} {negotiated}".encode()).hexdigest()
        return f"{_folder(self.upload.id)}{digest}"


class Derivatives:
    """A `libs.runtime.service.Resource`, on which the workspace depends."""

    def __init__(
        self,
        store: ObjectStore,
        workspace: Workspace,
        maker: ImageMaker,
        flights: SingleFlight[ObjectInfo],
        *,
        objects: ObjectCache,
        max_source_bytes: int,
        max_of_a_file: int,
        is_published: IsPublished,
    ) -> None:
        self._store = store
        self._workspace = workspace
        self._maker = maker
        self._flights = flights
        self._objects = objects
        self._max_source_bytes = max_source_bytes
        self._max_of_a_file = max_of_a_file
        self._is_published = is_published
        self._refusals = Refusals()

    async def open(self) -> None:
        await self._workspace.open()

    async def close(self) -> None:
        await self._flights.close()
        await self._workspace.close()

    async def check(self) -> None:
        await self._workspace.check()

    async def get(self, request: ImageRequest) -> ServedObject:
        """One that is kept is found like any file; only what is still to be made waits for its turn.

        Raises ImageError, BusyError, or NotFoundError where the file is not there any more.
        """
        if found := await self._objects.find(request.key):
            return found
        self._refusals.check(request.key)
        owner = request.upload.project_id or request.upload.tenant_id
        await self._flights.run(request.key, lambda: self._make(request), owner=owner)
        for _ in range(2):  # the first may share a look that began before there was anything to see
            if found := await self._objects.find(request.key):
                return found
        raise NotFoundError("There is no such file.")

    async def read(self, request: ImageRequest) -> bytes:
        """The content of what is small, such as a report. Raises what `get` raises."""
        for _ in range(2):  # what was remembered may have had to make room meanwhile: it is made again
            found = await self.get(request)
            if found.content is not None:
                return found.content
            try:
                return b"".join([chunk async for chunk in self._store.read(found.key)])
            except ObjectNotFoundError:
                self._objects.forget(found.key)
        raise NotFoundError("There is no such file.")

    async def _make(self, request: ImageRequest) -> ObjectInfo:
        try:
            with IMAGES.time():
                made = await self._made(request)
        except ImageError as error:
            self._refusals.remember(request.key, error)
            raise
        except ObjectNotFoundError:
            raise NotFoundError("There is no such file.") from None
        if not await self._is_published(request.upload.id):
            # Whoever removed the file may have deleted what lay beside it before this came to lie there.
            await self._store.delete([made.key])
            raise NotFoundError("There is no such file.")
        await self._make_room(request)
        return made

    async def _make_room(self, made: ImageRequest) -> None:
        """The oldest others go where more and more are asked for; whoever asks for them again has them made again."""
        pages = self._store.list(_folder(made.upload.id))
        others = [kept async for page in pages for kept in page if kept.key != made.key]
        if (surplus := len(others) + 1 - self._max_of_a_file) > 0:
            oldest = sorted(others, key=lambda kept: kept.modified_at)[:surplus]
            await self._store.delete([kept.key for kept in oldest])
            for kept in oldest:
                self._objects.forget(kept.key)

    async def _made(self, request: ImageRequest) -> ObjectInfo:
        key, size_bytes = request.upload.object_key, request.upload.size_bytes or 0
        head = b"".join([chunk async for chunk in self._store.read(key, length=min(SNIFF_BYTES, size_bytes))])
        found = sniff(head).image_format
        if found is None:
            raise NotAnImageError("Only images can be processed, and this file is none.")
        if size_bytes > self._max_source_bytes:
            raise ImageError(f"The file is too large: images of up to {self._max_source_bytes >> 20} MiB are processed.")
        async with self._workspace.folder() as folder:
            source = folder / "source"
            await self._store.download(key, source)
            made = await self._maker.make(source, found, request.transformation, accepts_webp=request.accepts_webp)
            return await self._store.write(request.key, made.path, content_type=made.content_type)


def _folder(upload_id: UploadId) -> str:
    return f"files/{upload_id}/derived/"
