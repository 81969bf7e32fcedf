"""A watched bucket below a prefix, over the guarded client: its address is the customer's word.

An object needs no `.lock`: it is there as a whole or not at all, and its ETag says whether it is still the one that was found.

Source: ListObjectsV2, GetObject, CopyObject, DeleteObject in the Amazon S3 API reference.
"""

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
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
from services.ingest.domain.watch import DONE, ERROR, Sighting, WatchedFile, is_candidate

PAGE: Final = 1000
MAX_PAGES: Final = 100
PAGE_BYTES: Final = 16 * 2**20
REQUEST_SECONDS: Final = 60.0
"""For anything but the bytes of a file."""
COPY_SECONDS: Final = 900.0
NOT_FOUND: Final = 404


class Bucket:
    def __init__(self, settings: WatchedBucket, client: GuardedClient, *, timeout_seconds: float, idle_seconds: float) -> None:
        self._bucket = settings.container.bucket
        self._prefix = settings.prefix
        self._signer = signer(settings.container)
        self._client = client
        self._timeout_seconds = timeout_seconds
        self._idle_seconds = idle_seconds

    # ------------------------------------------------------------ the port

    async def survey(self) -> Survey:
        found: dict[str, Sighting] = {}
        errors: dict[str, float] = {}
        token: str | None = ""
        pages = 0
        while token is not None and pages < MAX_PAGES and len(found) < MAX_SIGHTINGS:
            entries, token = _page(await self._list(token), self._prefix)
            pages += 1
            for sighting in entries:
                if sighting.path.endswith(ERROR):
                    errors[sighting.path.removesuffix(ERROR)] = sighting.changed_at
                elif is_candidate(sighting.path):
                    found[sighting.path] = sighting
        return Survey([s for path, s in found.items() if errors.get(path, float("-inf")) < s.changed_at])

    @asynccontextmanager
    async def open(self, file: WatchedFile) -> AsyncIterator[AsyncIterator[bytes]]:
        limits = Limits(self._timeout_seconds, self._idle_seconds, max_redirects=0, max_bytes=file.size_bytes)
        try:
            async with download(self._client, self._url("GET", file.path), limits) as answered:
                _check_version(answered, file)
                yield answered.chunks()
        except EgressError as error:
            raise failure_of(error, limits) from None

    async def accept(self, file: WatchedFile, on_success: Literal["delete", "move"]) -> None:
        if not await self._is_unchanged(file):
            return
        if on_success == "move":
            source = quote(f"/{self._bucket}/{self._prefix}{file.path}", safe="/-_.~")
            await self._ask("PUT", f"{DONE}/{file.path}", headers={"x-amz-copy-source": source}, seconds=COPY_SECONDS)
        await self._ask("DELETE", file.path)

    async def refuse(self, file: WatchedFile, reason: str) -> None:
        if await self._is_unchanged(file):
            await self._ask("PUT", file.path + ERROR, body=f"{reason}\n".encode(), headers={"content-type": "text/plain"})

    # ------------------------------------------------------------ requests

    async def _is_unchanged(self, file: WatchedFile) -> bool:
        answer = await self._answer("HEAD", file.path)
        if answer.status == NOT_FOUND:
            return False
        _check(answer)
        return answer.headers.get("ETag", "").strip('"') == file.version

    async def _list(self, token: str) -> str:
        query = {"list-type": "2", "max-keys": str(PAGE), "prefix": self._prefix}
        if token:
            query["continuation-token"] = token
        url = URL(self._signer.url("GET", "", expires_in=SIGNED_FOR, query=query), encoded=True)
        limits = Limits(REQUEST_SECONDS, self._idle_seconds, max_redirects=0, max_bytes=PAGE_BYTES)
        try:
            async with download(self._client, url, limits) as answered:
                return b"".join([piece async for piece in answered.chunks()]).decode()
        except (EgressError, UnicodeDecodeError) as error:
            raise PlaceUnavailableError(str(error)) from None

    async def _ask(
        self,
        method: str,
        path: str,
        *,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        seconds: float = REQUEST_SECONDS,
    ) -> None:
        """Raises PlaceUnavailableError for anything but a success."""
        _check(await self._answer(method, path, body=body, headers=headers, seconds=seconds))

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


def _page(text: str, prefix: str) -> tuple[Iterator[Sighting], str | None]:
    """What a ListObjectsV2 answer lists, and where to go on. Raises PlaceUnavailableError for anything else."""
    if "<!" in text:
        raise PlaceUnavailableError("the listing is not one of S3")
    try:
        listing = ET.fromstring(text)  # noqa: S314 - without a DTD there are no entities
    except ET.ParseError:
        raise PlaceUnavailableError("the listing is not one of S3") from None
    more = listing.findtext("{*}IsTruncated") == "true"
    return _entries(listing, prefix), listing.findtext("{*}NextContinuationToken") if more else None


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
    if not 200 <= answer.status < 300 or b"<Error>" in answer.body:
        raise PlaceUnavailableError(f"the bucket answered {answer.status}")


def _check_version(answered: Download, file: WatchedFile) -> None:
    if answered.headers.get("ETag", "").strip('"') != file.version:
        raise FetchError("fetch_client_error", "the file was changed")


async def _once(body: bytes) -> AsyncIterator[bytes]:
    if body:
        yield body
