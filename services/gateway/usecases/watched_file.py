"""A file that was found in a watch folder becomes an upload, in the transaction of whoever heard of it (M-07).

Its id is the upload's: heard again, it is registered already.
"""

from datetime import datetime

from contracts.events import WatchedFileFound
from libs.outbox.unit_of_work import RELAY, UnitOfWork, envelop
from services.gateway.domain.content_type import UNDECLARED
from services.gateway.domain.registration import Registration, Source
from services.gateway.domain.source_name import last_segment, safe_extension
from services.gateway.store import RegistrationStore
from services.gateway.usecases.fetch_blob import FETCHED_WITHIN


async def register_watched(work: UnitOfWork, found: WatchedFileFound, now: datetime) -> None:
    new = Registration(
        id=found.file_id,
        tenant_id=found.tenant_id,
        dialect="medialab",
        registered_at=now,
        url_expires_at=now,
        deadline_at=now + FETCHED_WITHIN,
        file_expires_at=None,
        content_type=UNDECLARED,
        max_size_bytes=found.size_bytes,
        size_bytes=found.size_bytes,
        transfer="fetched",
        source=Source(f"watch:{found.file_id}"),
        folder=found.folder_label or "",
        name=last_segment(found.file_name),
        extension=safe_extension(found.file_name),
        view={"watch_folder_id": str(found.watch_folder_id), "folder_id": found.folder_id},
    )
    envelopes = [envelop(event, source=work.source, cause=work.cause) for event in new.events()]
    if await RegistrationStore(work.connection).insert([(new, envelopes)]):
        work.wake(RELAY)
