"""A watched bucket below a prefix, over the guarded client: its address is the customer's word.

An object needs no `.lock`: it is there as a whole or not at all, and its ETag says whether it is still the one that was found.

Source: ListObjectsV2, GetObject, CopyObject, DeleteObject in the Amazon S3 API reference.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from datetime import datetime
from typing import Final, Literal
from urllib.parse import quote
from xml.etree import ElementTree as ET

from yarl import URL

from contracts.container import WatchedBucket
from libs.egress.client import Answer, EgressError, GuardedClient
from libs.egress.download import Download, Limits, download
from libs.egress.upload import Content, UploadLimits, upload
from services.ingest.adapters.container import SIGNED_FOR, signer
from services.ingest.adapters.place import MAX_SIGHTINGS, PlaceUnavailableError, Survey
from services.ingest.adapters.source import failure_of
from services.ingest.domain.error import FetchError
from services.ingest.domain.ignored_name import IgnoredNames
from services.ingest.domain.watch import DONE, ERROR, Sighting, WatchedFile, error_note, is_candidate, is_error_note

PAGE: Final = 1000
MAX_PAGES: Final = 100
PAGE_BYTES: Final = 16 * 2**20
REQUEST_SECONDS: Final = 60.0
"""For anything but the bytes of a file."""
COPY_SECONDS: Final = 900.0
NOT_FOUND: Final = 404
NOT_IMPLEMENTED: Final = 501
CHANGED: Final = frozenset({404, 412})
"""What a request for one version answers where it is not there any more."""
LAST: Final = "\U0010ffff"
"""No key has a greater character."""


class Bucket:
    def __init__(
        self,
        settings: WatchedBucket,
        client: GuardedClient,
        ignored: IgnoredNames,
        *,
        timeout_seconds: float,
        idle_seconds: float,
    ) -> None:
        self._bucket = settings.container.bucket
        self._prefix = settings.prefix
        self._signer = signer(settings.container)
        self._client = client
        self._ignored = ignored
        self._timeout_seconds = timeout_seconds
        self._idle_seconds = idle_seconds

    # ------------------------------------------------------------ the port

    async def survey(self) -> Survey:
        found: dict[str, Sighting] = {}
        orphaned: list[str] = []
        async with aclosing(self._pages()) as pages:
            async for entries in pages:
                errors: dict[str, float] = {}
                listed = {sighting.path for sighting in entries}
                for sighting in entries:
                    if sighting.path.endswith(ERROR):
                        errors[sighting.path.removesuffix(ERROR)] = sighting.changed_at
                    elif is_candidate(sighting.path, self._ignored):
                        found[sighting.path] = sighting
                # The reason comes after its file in the listing: what was refused takes no other file's place.
                for path, told_at in errors.items():
                    if path in found and found[path].changed_at <= told_at:
                        del found[path]
                orphaned += errors.keys() - listed - found.keys()
                if len(found) >= MAX_SIGHTINGS:
                    break
        return Survey(list(found.values()), orphaned_notes=orphaned)

    async def _pages(self) -> AsyncGenerator[Sequence[Sighting], None]:
        """In the order of their keys. The rest of an ignored folder is skipped: `.done/` and recycle bins only grow."""
        start: dict[str, str] = {}
        skipped: set[str] = set()
        for _ in range(MAX_PAGES):
            entries, token = _page(await self._list(start), self._prefix)
            yield entries
            if token is None:
                return
            folder = self._ignored_folder(entries[-1].path) if entries else None
            if folder is None or folder in skipped:  # again: the store does not know `start-after`
                start = {"continuation-token": token}
            else:
                start = {"start-after": f"{self._prefix}{folder}/{LAST}"}
                skipped.add(folder)

    def _ignored_folder(self, path: str) -> str | None:
        """The one in which the object lies."""
        ignored = self._ignored.first_in(path)
        return ignored if ignored != path else None

    async def select_closed(self, files: Sequence[Sighting], limit: int) -> Sequence[Sighting]:
        return files[:limit]  # an object is there as a whole or not at all

    @asynccontextmanager
    async def open(self, file: WatchedFile) -> AsyncIterator[AsyncIterator[bytes]]:
        limits = Limits(self._timeout_seconds, self._idle_seconds, max_redirects=0, max_bytes=file.size_bytes)
        try:
            async with download(self._client, self._url("GET", file.path), limits, decodes=False) as answered:
                _check_version(answered, file)
                yield answered.chunks()
        except EgressError as error:
            raise failure_of(error, limits) from None

    async def accept(self, file: WatchedFile, on_success: Literal["delete", "move"]) -> str | None:
        await self._dispose(file, on_success)
        await self._remove_note(file.path)
        return None

    async def recheck(self, file: WatchedFile, aside_path: str, *, remove: bool) -> bool:
        return True  # nothing is set aside in a bucket

    async def remove_orphaned_note(self, path: str) -> None:
        if (await self._answer("HEAD", path)).status == NOT_FOUND:
            await self._remove_note(path)

    async def _dispose(self, file: WatchedFile, on_success: Literal["delete", "move"]) -> None:
        if on_success == "move" and not await self._is_moved(file):
            return
        # Not all stores know the condition; and a copy may take long.
        if not await self._is_unchanged(file):
            return
        answer = await self._answer("DELETE", file.path, headers={"if-match": f'"{file.version}"'})
        if answer.status == NOT_IMPLEMENTED:
            answer = await self._answer("DELETE", file.path)
        if answer.status not in CHANGED:
            _check(answer)

    async def _is_moved(self, file: WatchedFile) -> bool:
        """Copied to `.done/`; False where it is no longer the one that was found."""
        if not await self._is_unchanged(file):
            return False
        source = quote(f"/{self._bucket}/{self._prefix}{file.path}", safe="/-_.~")
        condition = {"x-amz-copy-source": source, "x-amz-copy-source-if-match": f'"{file.version}"'}
        answer = await self._answer("PUT", f"{DONE}/{file.path}", headers=condition, seconds=COPY_SECONDS)
        if answer.status in CHANGED:
            return False
        _check(answer)
        return True

    async def refuse(self, file: WatchedFile, reason: str) -> None:
        note = file.path + ERROR
        if await self._is_note(note) is False:
            raise PlaceUnavailableError(f"another object is called {note}")
        if await self._is_unchanged(file):
            _check(await self._answer("PUT", note, body=error_note(reason), headers={"content-type": "text/plain"}))

    # ------------------------------------------------------------ requests

    async def _remove_note(self, path: str) -> None:
        """Of the object at `path`, where there is one."""
        if await self._is_note(path + ERROR):
            _check(await self._answer("DELETE", path + ERROR))

    async def _is_note(self, path: str) -> bool | None:
        """Whether the object there is an error note of ours; None where there is none."""
        answer = await self._answer("GET", path)
        if answer.status == NOT_FOUND:
            return None
        _check(answer)
        return is_error_note(answer.body)

    async def _is_unchanged(self, file: WatchedFile) -> bool:
        answer = await self._answer("HEAD", file.path)
        if answer.status == NOT_FOUND:
            return False
        _check(answer)
        return answer.headers.get("ETag", "").strip('"') == file.version

    async def _list(self, start: Mapping[str, str]) -> str:
        query = {"list-type": "2", "max-keys": str(PAGE), "prefix": self._prefix, **start}
        url = URL(self._signer.url("GET", "", expires_in=SIGNED_FOR, query=query), encoded=True)
        limits = Limits(REQUEST_SECONDS, self._idle_seconds, max_redirects=0, max_bytes=PAGE_BYTES)
        try:
            async with download(self._client, url, limits) as answered:
                return b"".join([piece async for piece in answered.chunks()]).decode()
        except (EgressError, UnicodeDecodeError) as error:
            raise PlaceUnavailableError(str(error)) from None

    async def _answer(
        self,
        method: str,
        path: str,
        *,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        seconds: float = REQUEST_SECONDS,
    ) -> Answer:
        limits = UploadLimits(seconds, seconds, body_seconds=seconds)
        try:
            url = self._url(method, path, headers)
            content = Content(len(body), _once(body))
            return await upload(self._client, method, url, content, headers=headers or {}, limits=limits)
        except EgressError as error:
            raise PlaceUnavailableError(str(error)) from None

    def _url(self, method: str, path: str, headers: Mapping[str, str] | None = None) -> URL:
        return URL(self._signer.url(method, self._prefix + path, expires_in=SIGNED_FOR, headers=headers), encoded=True)


def _page(text: str, prefix: str) -> tuple[Sequence[Sighting], str | None]:
    """What a ListObjectsV2 answer lists, and where to go on. Raises PlaceUnavailableError for anything else."""
    if "<!" in text:
        raise PlaceUnavailableError("the listing is not one of S3")
    try:
        listing = ET.fromstring(text)  # noqa: S314 - without a DTD there are no entities
    except ET.ParseError:
        raise PlaceUnavailableError("the listing is not one of S3") from None
    more = listing.findtext("{*}IsTruncated") == "true"
    return list(_entries(listing, prefix)), listing.findtext("{*}NextContinuationToken") if more else None


def _entries(listing: ET.Element, prefix: str) -> Iterator[Sighting]:
    for entry in listing.iterfind("{*}Contents"):
        key, etag = entry.findtext("{*}Key") or "", (entry.findtext("{*}ETag") or "").strip('"')
        try:
            size, changed_at = (
                int(entry.findtext("{*}Size") or ""),
                datetime.fromisoformat(entry.findtext("{*}LastModified") or ""),
            )
        except ValueError:
            raise PlaceUnavailableError("the listing is not one of S3") from None
        if key.startswith(prefix) and not key.endswith("/"):
            yield Sighting(key.removeprefix(prefix), size, etag, changed_at.timestamp())


def _check(answer: Answer) -> None:
    """Raises PlaceUnavailableError for anything but a success."""
    if not 200 <= answer.status < 300 or b"<Error>" in answer.body:
        raise PlaceUnavailableError(f"the bucket answered {answer.status}")


def _check_version(answered: Download, file: WatchedFile) -> None:
    if answered.headers.get("ETag", "").strip('"') != file.version:
        raise FetchError("fetch_client_error", "the file was changed")


async def _once(body: bytes) -> AsyncIterator[bytes]:
    if body:
        yield body
