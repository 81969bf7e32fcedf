"""Shows a staged object to the virus scanner before it may be copied to where it can be read."""

from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator
from contextlib import aclosing
from typing import Final, cast

import structlog

from contracts.events import StoredObject
from libs.object_store.port import ObjectChangedError, ObjectStore
from services.session.adapters.clamd import Clamd, ClamdError, NotScannableError
from services.session.domain.verdict import ACCEPTED, Verdict
from services.session.metric import SCANS

log = structlog.get_logger()

NOT_SCANNABLE: Final = Verdict("too_large_to_scan", "The file is larger than the virus scanner can scan.")


class ScanFailedError(Exception):
    """The scanner answers, but could not scan this file; worth a few more tries."""

    code = "scan_failed"
    message = "The virus scanner could not scan the file."


class Scanning:
    """Each scan takes one of clamd's threads (`MaxThreads`) until it ends: the slots of the worker bound them."""

    def __init__(self, store: ObjectStore, clamd: Clamd, *, accepts_oversized: bool) -> None:
        self._objects = store
        self._clamd = clamd
        self._oversized = ACCEPTED if accepts_oversized else NOT_SCANNABLE

    async def verdict(self, staged: StoredObject) -> Verdict:
        """On exactly this version. Codes: `infected` (the message is the virus' name), `too_large_to_scan`.

        Raises ScanFailedError, ClamdError, ObjectNotFoundError, ObjectChangedError and StoreUnavailableError: then nothing
        is known.
        """
        try:
            virus = await self._virus(staged)
        except NotScannableError as error:
            SCANS.labels("oversized").inc()
            log.warning("scan.oversized", key=staged.key, size_bytes=staged.size_bytes, reason=str(error))
            return self._oversized
        except ClamdError as error:
            SCANS.labels("failed").inc()
            log.warning("scan.failed", key=staged.key, error=error.code, detail=str(error))
            await self._clamd.check()
            raise ScanFailedError from error
        SCANS.labels("infected" if virus else "clean").inc()
        return Verdict("infected", virus) if virus else ACCEPTED

    async def _virus(self, staged: StoredObject) -> str | None:
        chunks = cast(AsyncGenerator[bytes, None], self._objects.read(staged.key, match_etag=staged.etag))
        async with aclosing(chunks):
            return await self._clamd.scan(_whole(chunks, staged))


async def _whole(chunks: AsyncIterable[bytes], staged: StoredObject) -> AsyncIterator[bytes]:
    """Raises ObjectChangedError where it is not as long as it was said to be: an end too early is no clean file."""
    size = 0
    async for chunk in chunks:
        size += len(chunk)
        yield chunk
    if size != staged.size_bytes:
        raise ObjectChangedError(staged.key)
