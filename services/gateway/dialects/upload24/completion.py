"""`POST /api/upload/complete`: the client has sent everything; from now on there is a record of the upload (T-10).

Three steps: the store joins the parts, a commit completes the session and asks for the publications, the world hears of it. A
crash between the first two is healed by the client's next try; of several at the same time one commits, and all get the same
answer (5.4.14).
"""

import asyncio
from collections.abc import Sequence

from aiohttp import web

from contracts.events import Stage, UploadFinishRequested
from libs.object_store.port import InvalidPartsError, MultipartNotFoundError, Part
from libs.web.request import read_json
from services.gateway.deps import Deps
from services.gateway.dialects.upload24.answer import answer
from services.gateway.dialects.upload24.auth import uploader
from services.gateway.dialects.upload24.errors import Upload24Error
from services.gateway.dialects.upload24.schemas import CompletedPart, CompleteRequest, Submitted
from services.gateway.dialects.upload24.session import DATABASE_SECONDS, check_open
from services.gateway.dialects.upload24.session_token import find_session
from services.gateway.dialects.upload24.translate import status_of, stored_entry
from services.gateway.domain.error import FileRejectedError, SubmissionExpiredError
from services.gateway.domain.role import Permission
from services.gateway.domain.submission import Submission, SubmissionState
from services.gateway.domain.upload import State, Upload
from services.gateway.store import PublicationStore, SubmissionStore, UploadStore
from services.gateway.usecases.submit import request_publication

MAX_BODY_BYTES = 256 * 1024


class Completion:
    def __init__(self, deps: Deps) -> None:
        self._deps = deps

    async def complete(self, request: web.Request) -> web.Response:
        principal = await uploader(self._deps, request, Permission.UPLOAD)
        body = await read_json(request, CompleteRequest, max_bytes=MAX_BODY_BYTES)
        submission = await find_session(self._deps, principal, body.session_token)
        if submission.state is not SubmissionState.COMPLETED:
            check_open(submission, self._deps)
            try:
                await self._check_bytes(await self._upload(submission), body.parts)
            except SubmissionExpiredError:  # or aborted since we looked
                check_open(await find_session(self._deps, principal, body.session_token), self._deps)
                raise
            await self._finish(submission)
        return answer(await self._submitted(submission))

    async def _upload(self, submission: Submission) -> Upload:
        """One that has not come to an end without a file. Raises FileRejectedError or SubmissionExpiredError."""
        async with self._deps.database.connection() as connection:
            upload = await UploadStore(connection).find_of_tenant(submission.tenant_id, submission.upload_id)
        if upload is not None and upload.state is State.REJECTED:
            raise FileRejectedError(upload.error_code or "", upload.error_message)
        if upload is None or upload.removed:
            raise SubmissionExpiredError
        return upload

    async def _check_bytes(self, upload: Upload, given: Sequence[CompletedPart]) -> None:
        """Raises Upload24Error or FileRejectedError where the file is not there."""
        if upload.multipart_id is not None and await self._join(upload, upload.multipart_id, given):
            return
        if upload.version >= Stage.STORED:
            return
        objects = self._deps.objects
        staged = await objects.stat(upload.staging_key)
        if staged is None and await objects.stat(upload.object_key) is None:
            raise Upload24Error("file_missing", "The file was not uploaded.")
        if staged is not None and staged.size_bytes != upload.declared_size_bytes:
            message = f"Declared {upload.declared_size_bytes} bytes, stored {staged.size_bytes}."
            raise FileRejectedError("size_mismatch", message)

    async def _join(self, upload: Upload, multipart_id: str, given: Sequence[CompletedPart]) -> bool:
        """False where there are no parts any more: joined before, or gone."""
        objects = self._deps.objects
        try:
            found = await objects.list_parts(upload.staging_key, multipart_id)
            chosen = _chosen(given, found)
            _check_size(chosen, upload.declared_size_bytes or 0)
            await objects.complete_multipart(upload.staging_key, multipart_id, chosen)
        except InvalidPartsError:
            raise Upload24Error("invalid_parts", "A part that is not the last one is smaller than 5 MiB.") from None
        except MultipartNotFoundError:
            return False
        return True

    async def _finish(self, known: Submission) -> None:
        """Once, however many say it at the same time."""
        async with asyncio.timeout(DATABASE_SECONDS), self._deps.outbox.unit_of_work() as work:
            store = SubmissionStore(work.connection)
            submission = await store.lock(known.upload_id)
            if submission.state is SubmissionState.COMPLETED:
                return
            check_open(submission, self._deps)
            upload = await UploadStore(work.connection).find_of_tenant(submission.tenant_id, submission.upload_id)
            assert upload is not None
            await store.end(submission.upload_id, SubmissionState.COMPLETED, completed_at=self._deps.clock())
            work.emit(UploadFinishRequested(upload_id=upload.id, tenant_id=upload.tenant_id, version=Stage.REGISTERED))
            request_publication(work, submission, stored_entry(upload.view), upload.name)

    async def _submitted(self, submission: Submission) -> Submitted:
        async with self._deps.database.connection() as connection:
            publications = await PublicationStore(connection).of_uploads([submission.upload_id])
        return Submitted(upload_id=submission.upload_id, file_id=submission.upload_id, status=status_of(publications))


def _chosen(given: Sequence[CompletedPart], found: Sequence[Part]) -> list[Part]:
    """The store's parts that the client names, in ascending order. Raises Upload24Error."""
    by_number = {part.number: part for part in found}
    wrong = []
    for part in given:
        known = by_number.get(part.part_number)
        if known is None or known.etag.strip('"') != part.e_tag.strip('" '):
            wrong.append(part.part_number)
    numbers = {part.part_number for part in given}
    if wrong or not given or len(numbers) < len(given):
        raise Upload24Error("invalid_parts", "The parts are not those that were uploaded.", partNumbers=sorted(set(wrong)))
    return [by_number[number] for number in sorted(numbers)]


def _check_size(parts: Sequence[Part], declared_bytes: int) -> None:
    total = sum(part.size_bytes for part in parts)
    if total != declared_bytes:
        message = f"The parts have {total} bytes together, declared were {declared_bytes}."
        raise Upload24Error("invalid_parts", message, uploaded=total, declared=declared_bytes)
