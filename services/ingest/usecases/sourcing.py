"""Which source a fetch asks: by the scheme of its `source_url`."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from mimetypes import guess_type

from contracts.events import FetchRequested
from libs.outbox.unit_of_work import Outbox
from services.ingest.adapters.source import Answer, Source
from services.ingest.domain.content_type import declared_type
from services.ingest.domain.error import FetchError
from services.ingest.domain.fetch import Found
from services.ingest.store import WatchStore
from services.ingest.usecases.places import Places


@dataclass(frozen=True)
class Sources:
    others: Mapping[str, Source]
    """By scheme."""
    http: Source
    """For every other address: it says which it does not take."""

    def open(self, request: FetchRequested) -> AbstractAsyncContextManager[Answer]:
        """As `Source.open`."""
        scheme = request.source_url.partition(":")[0]
        return self.others.get(scheme, self.http).open(request)


class WatchedSource:
    """A file of a watch folder (`watch:<file id>`; the upload's id is the same)."""

    def __init__(self, outbox: Outbox, places: Places) -> None:
        self._outbox = outbox
        self._places = places

    @asynccontextmanager
    async def open(self, request: FetchRequested) -> AsyncIterator[Answer]:
        async with self._outbox.database.connection() as connection:
            known = await WatchStore(connection).file(request.upload_id)
            folder = await WatchStore(connection).folder(known[1]) if known else None
        if known is None or folder is None:
            raise FetchError("fetch_client_error", "no watch folder has this file")
        file = known[0]
        if file.size_bytes > request.max_size_bytes:
            raise FetchError("fetch_too_large", f"{file.size_bytes} > {request.max_size_bytes}")
        found = Found(file.name, declared_type(guess_type(file.name)[0]), file.size_bytes)
        async with self._places.of(folder).open(file) as chunks:
            yield Answer(found, chunks)
