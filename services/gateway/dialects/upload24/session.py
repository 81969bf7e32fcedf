"""Sessions: `presign-put`, `multipart` and its `resume`, `abort` (T-08, T-09, T-11, T-30).

The units of the accounts' quotas are reserved with the session. It lives longer than its URLs: whoever has the token may ask
for new ones of the parts that are missing, from any machine.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Final

from aiohttp import web

from contracts.ids import new_upload_id
from libs.object_store.port import MAX_PARTS, MIN_PART_BYTES, MultipartNotFoundError, Part, StoreUnavailableError
from libs.web.request import read_json
from services.gateway.auth import Principal, key_hash
from services.gateway.deps import Deps
from services.gateway.dialects.upload24.answer import answer
from services.gateway.dialects.upload24.auth import uploader
from services.gateway.dialects.upload24.errors import Upload24Error
from services.gateway.dialects.upload24.schemas import (
    Aborted,
    MultipartRequest,
    MultipartSession,
    PartUrl,
    PresignRequest,
    PutSession,
    ResumedSession,
    TokenRequest,
    UploadedPart,
)
from services.gateway.dialects.upload24.session_token import find_session, new_token
from services.gateway.dialects.upload24.translate import file_name, timestamp, to_entry, to_registration, to_submission
from services.gateway.domain.error import GatewayError, SubmissionAbortedError, SubmissionCompletedError, SubmissionExpiredError
from services.gateway.domain.registration import Registration
from services.gateway.domain.role import Permission
from services.gateway.domain.submission import Submission, SubmissionState
from services.gateway.domain.upload import Upload
from services.gateway.store import SubmissionStore, UploadStore
from services.gateway.usecases.publish import end_submission
from services.gateway.usecases.submit import Entry, NewSubmission

PART_BYTES: Final = 16 * 2**20
DATABASE_SECONDS: Final = 10


class Sessions:
    def __init__(self, deps: Deps) -> None:
        self._deps = deps

    async def presign_put(self, request: web.Request) -> web.Response:
        principal = await uploader(self._deps, request, Permission.UPLOAD)
        entry, new = self._registration(await read_json(request, PresignRequest), principal)
        headers = {"Content-Type": new.content_type}
        upload_url = self._deps.objects.presign_put(
            new.staging_key,
            expires_in=self._deps.limits.upload24_url,
            headers=headers,
            content_length=new.size_bytes,
            now=new.registered_at,
        )
        token = new_token()
        submission = to_submission(new, SubmissionState.OPEN)
        await self._deps.submitter.submit(NewSubmission(new, submission, entry, key_hash(token)))
        return answer(
            PutSession(
                session_token=token,
                file_id=new.id,
                upload_url=upload_url,
                expires_at=timestamp(new.url_expires_at),
                session_expires_at=timestamp(submission.expires_at),
                required_headers=headers,
            )
        )

    async def multipart(self, request: web.Request) -> web.Response:
        principal = await uploader(self._deps, request, Permission.UPLOAD)
        body = await read_json(request, MultipartRequest)
        entry, new = self._registration(body, principal, multipart=True)
        part_bytes = max(body.part_size or PART_BYTES, MIN_PART_BYTES, -(-body.file_size // MAX_PARTS))
        token = new_token()
        submission = to_submission(new, SubmissionState.OPEN, part_bytes=part_bytes)
        new = await self._open(new, submission, entry, token)
        assert new.multipart_id is not None
        urls = self._urls(new.staging_key, new.multipart_id, range(1, _count(body.file_size, part_bytes) + 1))
        return answer(
            MultipartSession(
                session_token=token,
                file_id=new.id,
                part_size=part_bytes,
                parts=urls,
                expires_at=timestamp(new.url_expires_at),
                session_expires_at=timestamp(submission.expires_at),
            )
        )

    async def resume(self, request: web.Request) -> web.Response:
        principal = await uploader(self._deps, request, Permission.UPLOAD)
        submission, upload = await self._opened(principal, (await read_json(request, TokenRequest)).session_token)
        if upload.multipart_id is None or submission.part_bytes is None:
            raise Upload24Error("not_multipart", "The session is not one of a multipart upload.")
        uploaded, missing = await self._parts(upload, submission.part_bytes)
        now = self._deps.clock()
        return answer(
            ResumedSession(
                file_id=upload.id,
                part_size=submission.part_bytes,
                uploaded_parts=[UploadedPart(part_number=p.number, e_tag=p.etag, size=p.size_bytes) for p in uploaded],
                parts=self._urls(upload.staging_key, upload.multipart_id, missing),
                expires_at=timestamp(now + self._deps.limits.upload24_url),
                session_expires_at=timestamp(submission.expires_at),
            )
        )

    async def abort(self, request: web.Request) -> web.Response:
        """Again is fine; a completed session stays completed."""
        principal = await uploader(self._deps, request, Permission.UPLOAD)
        found = await find_session(self._deps, principal, (await read_json(request, TokenRequest)).session_token)
        async with asyncio.timeout(DATABASE_SECONDS), self._deps.outbox.unit_of_work() as work:
            submission = await SubmissionStore(work.connection).lock(found.upload_id)
            if submission.state is SubmissionState.COMPLETED:
                raise SubmissionCompletedError
            upload = None
            if submission.state is SubmissionState.OPEN:
                upload = await end_submission(work, submission, SubmissionState.ABORTED, self._deps.clock())
        if upload is not None:
            await self._remove_staged(upload)
        return answer(Aborted())

    def _registration(
        self, body: PresignRequest, principal: Principal, *, multipart: bool = False
    ) -> tuple[Entry, Registration]:
        now = self._deps.clock()
        entry = to_entry(body, principal, now)
        new = to_registration(
            self._deps,
            principal,
            entry,
            new_upload_id(),
            now=now,
            transfer="multipart" if multipart else "single_put",
            content_type=body.content_type,
            size_bytes=body.file_size,
            name=file_name(body.file_name),
        )
        return entry, new

    async def _open(self, new: Registration, submission: Submission, entry: Entry, token: str) -> Registration:
        """In the store, then here; what is refused here is closed there again."""
        objects = self._deps.objects
        multipart_id = await objects.start_multipart(new.staging_key, content_type=new.content_type)
        opened = replace(new, multipart_id=multipart_id)
        try:
            await self._deps.submitter.submit(NewSubmission(opened, submission, entry, key_hash(token)))
        except GatewayError:
            with suppress(StoreUnavailableError):
                await objects.abort_multipart(new.staging_key, multipart_id)
            raise
        return opened

    async def _opened(self, principal: Principal, token: str) -> tuple[Submission, Upload]:
        submission = await find_session(self._deps, principal, token)
        check_open(submission, self._deps)
        async with self._deps.database.connection() as connection:
            upload = await UploadStore(connection).find_of_tenant(principal.tenant_id, submission.upload_id)
        if upload is None:
            raise Upload24Error("session_not_found", "There is no such upload session.")
        return submission, upload

    async def _parts(self, upload: Upload, part_bytes: int) -> tuple[list[Part], list[int]]:
        """Those that the store has whole, and the numbers of those that it lacks: none once they were joined."""
        assert upload.multipart_id is not None and upload.declared_size_bytes is not None
        try:
            found = await self._deps.objects.list_parts(upload.staging_key, upload.multipart_id)
        except MultipartNotFoundError:
            return [], []
        sizes = _sizes(upload.declared_size_bytes, part_bytes)
        whole = [part for part in found if sizes.get(part.number) == part.size_bytes]
        return whole, sorted(sizes.keys() - {part.number for part in whole})

    def _urls(self, key: str, multipart_id: str, numbers: Sequence[int]) -> list[PartUrl]:
        now, expires_in = self._deps.clock(), self._deps.limits.upload24_url
        urls = self._deps.objects.presign_parts(key, multipart_id, numbers, expires_in=expires_in, now=now)
        return [PartUrl(part_number=number, url=url) for number, url in zip(numbers, urls, strict=True)]

    async def _remove_staged(self, upload: Upload) -> None:
        """At once where that is possible; the session service sees to it in any case."""
        objects = self._deps.objects
        with suppress(StoreUnavailableError):
            if upload.multipart_id is not None:
                await objects.abort_multipart(upload.staging_key, upload.multipart_id)
            await objects.delete([upload.staging_key])


def check_open(submission: Submission, deps: Deps) -> None:
    """Raises SubmissionCompletedError, SubmissionAbortedError or SubmissionExpiredError."""
    match submission.state:
        case SubmissionState.COMPLETED:
            raise SubmissionCompletedError
        case SubmissionState.ABORTED:
            raise SubmissionAbortedError
    if submission.state is SubmissionState.EXPIRED or submission.expires_at <= deps.clock():
        raise SubmissionExpiredError


def _count(size_bytes: int, part_bytes: int) -> int:
    return -(-size_bytes // part_bytes)


def _sizes(size_bytes: int, part_bytes: int) -> dict[int, int]:
    """Number of each part → its bytes."""
    count = _count(size_bytes, part_bytes)
    return {number: part_bytes if number < count else size_bytes - part_bytes * (count - 1) for number in range(1, count + 1)}
