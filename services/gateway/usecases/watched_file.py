"""A file that was found in a watch folder becomes an upload, in the transaction of whoever heard of it (M-07).

Its id is the upload's: heard again, it is registered already.
"""

from collections.abc import Sequence
from datetime import datetime

from contracts.events import Stage, UploadAbortRequested, UploadEvent, WatchedFileFound
from libs.file_name.name import clean_name, without_invisible
from libs.outbox.unit_of_work import RELAY, UnitOfWork, encode_event
from services.gateway.domain.content_type import UNDECLARED
from services.gateway.domain.error import InvalidFieldError
from services.gateway.domain.registration import Registration, Source
from services.gateway.domain.source_name import safe_extension
from services.gateway.store import NumberedFolderStore, RegistrationStore, TenantStore
from services.gateway.store.numbered_folder import ROOT
from services.gateway.usecases.fetch_blob import FETCHED_WITHIN
from services.gateway.usecases.numbered_folder import create_numbered_folder


async def register_watched(work: UnitOfWork, found: WatchedFileFound, now: datetime, *, max_size_bytes: int) -> None:
    """Where its tenant may bring nothing in, the upload is given up at once: the file stays, with the reason beside it.

    One that is larger than `max_size_bytes` is refused by ingest, which keeps it likewise.
    """
    name = clean_name(found.file_name)
    new = Registration(
        id=found.file_id,
        tenant_id=found.tenant_id,
        dialect="medialab",
        registered_at=now,
        url_expires_at=now,
        deadline_at=now + FETCHED_WITHIN,
        file_expires_at=None,
        content_type=UNDECLARED,
        max_size_bytes=min(found.size_bytes, max_size_bytes),
        size_bytes=found.size_bytes,
        transfer="fetched",
        source=Source(f"watch:{found.file_id}"),
        folder=await _folder(work, found),
        name=name,
        extension=safe_extension(name or ""),
        view={"watch_folder_id": str(found.watch_folder_id)},
    )
    events: Sequence[UploadEvent] = new.events()
    if await TenantStore(work.connection).storage_blocked_at(found.tenant_id) is not None:
        # Nobody is asked to fetch it: it might be there before its end is heard of.
        events = (new.event(), UploadAbortRequested(
            upload_id=new.id, tenant_id=new.tenant_id, version=Stage.CLOSED, reason="storage_blocked"
        ))  # fmt: skip
    encoded = [encode_event(event, source=work.source, cause=work.cause) for event in events]
    if await RegistrationStore(work.connection).insert([(new, encoded)]):
        work.wake(RELAY)


async def _folder(work: UnitOfWork, found: WatchedFileFound) -> str:
    """The path of the folder whose number the subfolder begins with; else of the one of its label, made where there is none."""
    if found.folder_id is not None:
        numbered = await NumberedFolderStore(work.connection).find(found.tenant_id, int(found.folder_id))
        if numbered is not None:
            return numbered.path
    if not (label := found.folder_label or found.folder_id):
        return ""
    try:
        return (await create_numbered_folder(work, found.tenant_id, ROOT, without_invisible(label))).path
    except InvalidFieldError:  # no folder can be called so
        return ""
