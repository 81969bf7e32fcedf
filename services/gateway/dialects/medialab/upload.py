"""`/api/file/{ulid}`: files as form data, streamed into the store while they come (M-09 to M-19, M-24 to M-28).

Fields may follow the files, and other requests may come at the same time: a form is judged when all of it is there, in the
transaction that registers its files. What is known before is said without storing anything.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Final
from uuid import UUID, uuid4

from aiohttp import web

from contracts.ids import UploadId, new_upload_id
from libs.web import form_error
from libs.web.form import Field, FilePart, Form, FormLimits, query_fields, receive_form
from libs.web.route import BodyTooLargeError, HttpError
from services.gateway.deps import Deps
from services.gateway.dialects.medialab.answer import answer
from services.gateway.dialects.medialab.caller import Callers
from services.gateway.dialects.medialab.errors import UploadUrlRefusedError
from services.gateway.dialects.medialab.params import LIMITS, query_value
from services.gateway.dialects.medialab.received import Described, describe, name_of
from services.gateway.dialects.medialab.schemas import FileView, Uploaded
from services.gateway.dialects.medialab.translate import to_registration
from services.gateway.dialects.medialab.upload_id import DATABASE_SECONDS, to_batch_id
from services.gateway.dialects.medialab.upload_url import UploadUrls
from services.gateway.domain.batch import (
    Batch,
    BatchId,
    BatchNotFoundError,
    FileOverLimitError,
    FilesOverLimitError,
    TotalOverLimitError,
)
from services.gateway.domain.content_type import UNDECLARED, extension_of
from services.gateway.domain.error import FileTooLargeError, FolderNotFoundError, GatewayError, StorageBlockedError
from services.gateway.domain.registration import Registration
from services.gateway.store import BatchStore, NumberedFolderStore, TenantStore
from services.gateway.store.numbered_folder import NumberedFolder
from services.gateway.usecases.add_files import BatchFiles

MAX_FILES: Final = 100
"""Of one request."""
FORM_BYTES: Final = 4 * 2**20
"""Of a request's boundaries, heads and fields."""
REFUSED_LIMITS: Final = FormLimits(body_bytes=256 * 2**20, files=1)
"""Of what is read of a request that is refused already."""


class Uploads:
    def __init__(self, deps: Deps, callers: Callers, urls: UploadUrls) -> None:
        self._deps = deps
        self._callers = callers
        self._urls = urls
        self._batch_files = BatchFiles(deps.outbox)

    async def upload(self, request: web.Request) -> web.Response:
        batch = await self._admitted(request)
        form = await self._receive(request, batch)
        try:
            described = describe(form.files, form.fields, query=len(query_fields(request, LIMITS)))
            folders = await self._folders(batch, described)
        except BaseException:
            await self._drop(form)
            raise
        registrations = [self._registration(batch, file, folder) for file, folder in zip(described, folders, strict=True)]
        await self._add(batch, registrations, form)
        return answer(_view(batch, described, folders, registrations), exclude_none=True)

    async def _admitted(self, request: web.Request) -> Batch:
        """Where it takes nothing from this request, that is said when the client has sent its body."""
        try:
            return await self._open_batch(request)
        except (GatewayError, HttpError) as refusal:
            await self._hear_out(request, refusal)
            raise

    async def _hear_out(self, request: web.Request, refusal: Exception) -> None:
        """Reads the body and throws it away: who is cut off while sending never hears why."""

        async def place(_part: FilePart, _fields: Sequence[Field]) -> str:
            raise refusal

        with suppress(HttpError, GatewayError):
            await receive_form(request, self._deps.objects, place, REFUSED_LIMITS)

    async def _open_batch(self, request: web.Request) -> Batch:
        given = query_value(request, "ulid")
        batch_id = to_batch_id(request.match_info.get("ulid") or given)
        tenant_id = None
        now = self._deps.clock()
        signature = query_value(request, "signature")
        if signature is None:
            tenant_id = (await self._callers.caller(request)).tenant_id
        else:
            self._check_signature(request, batch_id, given, signature)
        async with asyncio.timeout(DATABASE_SECONDS), self._deps.database.connection() as connection:
            batch = await BatchStore(connection).find(batch_id)
            if batch is None or tenant_id not in (None, batch.tenant_id):
                raise BatchNotFoundError
            if await TenantStore(connection).storage_blocked_at(batch.tenant_id) is not None:
                raise StorageBlockedError
        batch.check_open(now)
        return batch

    def _check_signature(self, request: web.Request, batch_id: BatchId, given: str | None, signature: str) -> None:
        if given is not None and to_batch_id(given) != batch_id:
            raise UploadUrlRefusedError
        self._urls.verify(batch_id, query_value(request, "expires") or "", signature, self._deps.clock())

    async def _receive(self, request: web.Request, batch: Batch) -> Form:
        async def place(part: FilePart, _fields: Sequence[Field]) -> str:
            batch.check_name(name_of(part))
            return f"staging/{new_upload_id()}/{uuid4().hex}"

        try:
            return await receive_form(request, self._deps.objects, place, self._limits(batch))
        except form_error.FileTooLargeError:
            raise self._too_large(batch) from None
        except BodyTooLargeError:
            raise (self._too_large(batch) if batch.bytes_left is None else TotalOverLimitError()) from None
        except form_error.TooManyFilesError:
            if batch.files_left is not None and batch.files_left < MAX_FILES:
                raise FilesOverLimitError from None
            raise

    def _limits(self, batch: Batch) -> FormLimits:
        files = MAX_FILES if batch.files_left is None else min(MAX_FILES, batch.files_left)
        file_bytes = min(_given(self._deps.limits.max_upload_bytes, batch.max_file_bytes, batch.bytes_left))
        all_bytes = min(_given(files * file_bytes, batch.bytes_left))
        return FormLimits(body_bytes=all_bytes + FORM_BYTES, fields=256, value_bytes=4096, files=files, file_bytes=file_bytes)

    def _too_large(self, batch: Batch) -> GatewayError:
        """What the file's size broke first: its own limit, or that of all files."""
        own = min(_given(self._deps.limits.max_upload_bytes, batch.max_file_bytes))
        if batch.bytes_left is not None and batch.bytes_left < own:
            return TotalOverLimitError()
        return FileTooLargeError() if batch.max_file_bytes is None else FileOverLimitError()

    async def _folders(self, batch: Batch, described: Sequence[Described]) -> list[NumberedFolder]:
        """One for each file. Raises FolderNotFoundError."""
        async with asyncio.timeout(DATABASE_SECONDS), self._deps.database.connection() as connection:
            store = NumberedFolderStore(connection)
            [own] = await store.numbered(batch.tenant_id, [batch.folder])
            numbers = {file.folder_number for file in described if file.folder_number is not None}
            known = {number: await store.find(batch.tenant_id, number) for number in numbers}
        found = [own if file.folder_number is None else known[file.folder_number] for file in described]
        if None in found:
            raise FolderNotFoundError
        return [folder for folder in found if folder is not None]

    def _registration(self, batch: Batch, described: Described, folder: NumberedFolder) -> Registration:
        stored = described.file.stored
        upload_id, token = stored.key.split("/")[1:]
        content_type = stored.content_type or UNDECLARED
        return to_registration(
            self._deps,
            batch.tenant_id,
            UploadId(UUID(upload_id)),
            folder=folder.path,
            title=described.title,
            now=self._deps.clock(),
            token=token,
            transfer="streamed",
            content_type=content_type,
            size_bytes=stored.size_bytes,
            max_size_bytes=stored.size_bytes,
            name=described.name,
            extension=extension_of(content_type),
            transcode=batch.transcode,
        )

    async def _add(self, batch: Batch, registrations: Sequence[Registration], form: Form) -> None:
        try:
            await self._batch_files.add(batch.id, registrations, self._deps.clock())
        except GatewayError:  # certainly not registered
            await self._drop(form)
            raise

    async def _drop(self, form: Form) -> None:
        with suppress(Exception):
            await asyncio.shield(self._deps.objects.delete(form.keys))


def _given(*limits: int | None) -> list[int]:
    return [limit for limit in limits if limit is not None]


def _view(
    batch: Batch, described: Sequence[Described], folders: Sequence[NumberedFolder], registrations: Sequence[Registration]
) -> Uploaded:
    """M-18."""
    if batch.hides_response:
        return Uploaded()
    files = [
        FileView(file_id=new.id, title=file.title, folder_id=folder.number, size=new.size_bytes)
        for new, file, folder in zip(registrations, described, folders, strict=True)
    ]
    return Uploaded(file_id=files[0].file_id, files=files)
