"""One attempt: ask the source, look at what it has, and let that flow into the store."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from contracts.events import FetchRequested
from libs.media_type.content import SNIFF_BYTES, UNKNOWN, sniff
from libs.media_type.policy import TypePolicy, type_of
from libs.object_store.port import ObjectInfo, ObjectStore
from services.ingest import metrics
from services.ingest.adapters.source import Answer
from services.ingest.domain.error import FetchError
from services.ingest.domain.fetch import Fetch
from services.ingest.domain.outcome import Fetched
from services.ingest.domain.progress import Progress
from services.ingest.usecases.report import Reporter
from services.ingest.usecases.sourcing import Sources


@dataclass(frozen=True)
class Fetching:
    sources: Sources
    store: ObjectStore
    reporter: Reporter

    async def run(self, fetch: Fetch, progress: Progress) -> Fetched:
        """Raises FetchError, LeaseLostError and the store's errors."""
        if (earlier := await self._stored_before(fetch)) is not None:
            return earlier
        request = fetch.request
        async with self.sources.open(request) as answer:
            progress.total_bytes = answer.found.total_bytes
            head = await _head(answer, TypePolicy(request.allowed_types, request.forbidden_types), progress)
            await self.reporter.began(fetch, answer.found, progress)
            stored = await self._stored(request, head, answer, progress)
        return Fetched(stored.size_bytes, answer.found)

    async def _stored(self, request: FetchRequested, head: Sequence[bytes], answer: Answer, progress: Progress) -> ObjectInfo:
        if answer.copy is not None:
            copied = await answer.copy(request.staging_key)
            progress.done_bytes = copied.size_bytes
            return copied
        content_type = answer.found.content_type or UNKNOWN
        return await self.store.write(request.staging_key, _all(head, answer, progress), content_type=content_type)

    async def _stored_before(self, fetch: Fetch) -> Fetched | None:
        """What an earlier worker brought into the store to the end, and died before it could say so."""
        if fetch.found is None:
            return None
        stored = await self.store.stat(fetch.request.staging_key)
        return Fetched(stored.size_bytes, fetch.found) if stored is not None else None


async def _head(answer: Answer, policy: TypePolicy, progress: Progress) -> Sequence[bytes]:
    """The first pieces of the content: at least one, and as many as it takes to see its type where that matters."""
    declared = answer.found.content_type
    if not policy.takes_declared(declared):
        raise FetchError("fetch_type_forbidden", type_of(declared))
    wanted = SNIFF_BYTES if policy else 1
    pieces: list[bytes] = []
    while progress.done_bytes < wanted and (piece := await anext(answer.chunks, b"")):
        pieces.append(piece)
        _count(piece, progress)
    if not pieces:
        raise FetchError("fetch_empty", "the source has no content")
    if policy:
        actual = sniff(b"".join(pieces)[:SNIFF_BYTES]).mime_type
        if not policy.takes_actual(actual, declared):
            raise FetchError("fetch_type_forbidden", actual)
    return pieces


async def _all(head: Sequence[bytes], answer: Answer, progress: Progress) -> AsyncIterator[bytes]:
    for piece in head:
        yield piece
    async for piece in answer.chunks:
        _count(piece, progress)
        yield piece


def _count(piece: bytes, progress: Progress) -> None:
    progress.done_bytes += len(piece)
    metrics.BYTES.inc(len(piece))
