"""`/multipart/start/` and `/multipart/complete/`: parts go straight to the store, by PUT to signed URLs (U-14 to U-23, U-43).

Clients may send fewer and larger parts than they have URLs for (pyuploadcare does, with its own chunk size): at the end the
sum of the parts must be the size of the file, and the store decides which parts are too small.

Completion is three steps: the store joins the parts; a commit says that the client has finished; the world hears of it. A crash
between the first two is healed by the client's next try: the store's step may be repeated, and the commit happens once.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Final
from uuid import UUID

from aiohttp import web

from contracts.events import Stage, UploadFinishRequested
from contracts.ids import UploadId, new_upload_id
from libs.file_name.name import clean_name
from libs.media_type.policy import TypePolicy
from libs.object_store.port import MAX_PARTS, InvalidPartsError, MultipartNotFoundError, ObjectNotFoundError, Part
from services.gateway.deps import Deps
from services.gateway.dialects.uploadcare.answer import answer
from services.gateway.dialects.uploadcare.errors import UploadcareError
from services.gateway.dialects.uploadcare.file_info import file_info
from services.gateway.dialects.uploadcare.params import Params, read_params, to_uuid
from services.gateway.dialects.uploadcare.project import UPLOADCARE_PUB_KEY, admit
from services.gateway.dialects.uploadcare.signature import authorize
from services.gateway.dialects.uploadcare.sniffing import actual_type
from services.gateway.dialects.uploadcare.translate import max_file_bytes, to_registration
from services.gateway.dialects.uploadcare.verdict import Verdicts, refusal_of
from services.gateway.domain.content_type import UNDECLARED, extension_of, is_content_type
from services.gateway.domain.project import Project
from services.gateway.domain.registration import Registration
from services.gateway.domain.upload import State, Upload
from services.gateway.store import ProjectUploadStore
from services.gateway.usecases.delete import delete_upload

MIN_FILE_BYTES: Final = 10 * 2**20
MIN_PART_BYTES: Final = 5 * 2**20
MAX_PART_BYTES: Final = 5 * 2**30
MAX_DIGITS: Final = 18
SIGNED_AT_ONCE: Final = 1000
"""URLs; signing ten thousand without a pause would hold up everybody else for a while."""


class Multipart:
    def __init__(self, deps: Deps, verdicts: Verdicts) -> None:
        self._deps = deps
        self._verdicts = verdicts

    async def start(self, request: web.Request) -> web.Response:
        params = await read_params(request)
        project = await admit(self._deps, request, params, UPLOADCARE_PUB_KEY)
        new, part_bytes = self._registration(params, project)
        await authorize(self._deps, request, params, project, files=1)
        new = await self._open(new)
        return answer({"uuid": str(new.id), "parts": await self._urls(new, part_bytes)})

    async def complete(self, request: web.Request) -> web.Response:
        params = await read_params(request)
        project = await admit(self._deps, request, params, UPLOADCARE_PUB_KEY)
        upload = await self._find(project, _uuid(params))
        await self._join(upload)
        await self._check_type(request, project, upload)
        finished = await self._finish(project, upload.id)
        await self._verdicts.wait(request, [upload.id])
        return answer(file_info(finished))

    def _registration(self, params: Params, project: Project) -> tuple[Registration, int]:
        """With the size of its parts. Raises UploadcareError."""
        name = clean_name(_required(params, "filename"))
        size = _number(_required(params, "size"), "MultipartSizeInvalidError")
        declared = _required(params, "content_type")
        _check_size(size, max_file_bytes(self._deps, project))
        part_bytes = _part_bytes(params.filled("part_size"), size)
        if not TypePolicy(project.allowed_types, project.forbidden_types).takes_declared(declared):
            raise UploadcareError("FileTypeForbiddenError")
        now = self._deps.clock()
        content_type = declared if is_content_type(declared) else UNDECLARED
        new = to_registration(
            self._deps,
            project,
            params,
            new_upload_id(),
            url_expires_at=now + self._deps.limits.uploadcare_part_url,
            now=now,
            transfer="multipart",
            content_type=content_type,
            size_bytes=size,
            max_size_bytes=size,
            name=name,
            extension=extension_of(content_type),
        )
        return new, part_bytes

    async def _open(self, new: Registration) -> Registration:
        """In the store, then here."""
        objects = self._deps.objects
        opened = replace(new, multipart_id=await objects.start_multipart(new.staging_key, content_type=new.content_type))
        await self._deps.registrar.register(opened)
        return opened

    async def _urls(self, new: Registration, part_bytes: int) -> list[str]:
        """As many as there are parts of that size (U-20)."""
        assert new.size_bytes is not None and new.multipart_id is not None
        urls: list[str] = []
        numbers = range(1, _parts(new.size_bytes, part_bytes) + 1)
        for first in range(0, len(numbers), SIGNED_AT_ONCE):
            if first:
                await asyncio.sleep(0)
            urls += self._deps.objects.presign_parts(
                new.staging_key,
                new.multipart_id,
                numbers[first : first + SIGNED_AT_ONCE],
                expires_in=self._deps.limits.uploadcare_part_url,
                now=new.registered_at,
            )
        return urls

    async def _find(self, project: Project, upload_id: UUID) -> Upload:
        """One that can be completed. Raises UploadcareError."""
        async with self._deps.database.connection() as connection:
            upload = await ProjectUploadStore(connection).find(project.id, UploadId(upload_id))
        if upload is None or upload.multipart_id is None or upload.deleted_at is not None:
            raise UploadcareError("MultipartFileNotFoundError")
        if upload.state is State.REJECTED:
            raise refusal_of(upload)
        if upload.finished_at is not None:
            raise UploadcareError("MultipartFileAlreadyUploadedError")
        if upload.removed:
            raise UploadcareError("MultipartFileNotFoundError")
        return upload

    async def _join(self, upload: Upload) -> None:
        """In the store; again is fine. Raises UploadcareError."""
        assert upload.multipart_id is not None
        objects, key = self._deps.objects, upload.staging_key
        try:
            parts = await objects.list_parts(key, upload.multipart_id)
            _check_parts(parts, upload.declared_size_bytes or 0)
            await objects.complete_multipart(key, upload.multipart_id, parts)
        except InvalidPartsError:
            raise UploadcareError("MultipartFileCompletionFailedError") from None
        except MultipartNotFoundError:
            # Joined before: by another request of this moment, or by one after which the gateway died. It may be promoted, too.
            if upload.version < Stage.STORED and not (await objects.stat(key) or await objects.stat(upload.object_key)):
                raise UploadcareError("MultipartFileCompletionFailedError") from None

    async def _check_type(self, request: web.Request, project: Project, upload: Upload) -> None:
        """The session service judges it too, whatever happens here, by the types of the time when the upload began.

        What is forbidden now is given up; the client hears of it at once.
        """
        policy = TypePolicy(project.allowed_types, project.forbidden_types)
        if not policy:
            return
        actual = await self._actual_type(upload)
        if actual is None:  # rejected already, or deleted
            await self._verdicts.wait(request, [upload.id], surely=True)
            raise UploadcareError("MultipartFileNotFoundError")
        if policy.takes_actual(actual, upload.declared_content_type or UNDECLARED):
            return
        async with self._deps.outbox.unit_of_work() as work:
            forbidden = await ProjectUploadStore(work.connection).find(project.id, upload.id, lock=True)
            if forbidden is not None:
                await delete_upload(forbidden, work, self._deps.clock(), while_busy=True)
        raise UploadcareError("FileTypeForbiddenError")

    async def _actual_type(self, upload: Upload) -> str | None:
        """Once it is joined it may be promoted or rejected at any moment. None: it is nowhere any more."""
        for key in (upload.staging_key, upload.object_key):
            with suppress(ObjectNotFoundError):
                return await actual_type(self._deps.objects, key)
        return None

    async def _finish(self, project: Project, upload_id: UploadId) -> Upload:
        """Once, however many say it at the same time. Raises UploadcareError."""
        async with self._deps.outbox.unit_of_work() as work:
            store = ProjectUploadStore(work.connection)
            upload = await store.find(project.id, upload_id, lock=True)
            if upload is None or upload.removed:
                raise UploadcareError("MultipartFileNotFoundError")
            if upload.finished_at is not None:
                raise UploadcareError("MultipartFileAlreadyUploadedError")
            await store.finish(upload_id, self._deps.clock())
            work.emit(UploadFinishRequested(upload_id=upload.id, tenant_id=upload.tenant_id, version=Stage.REGISTERED))
        return upload


def _uuid(params: Params) -> UUID:
    text = params.filled("uuid")
    if text is None:
        raise UploadcareError("MultipartFileIdRequiredError")
    if (upload_id := to_uuid(text)) is None:
        raise UploadcareError("UUIDInvalidError")
    return upload_id


def _required(params: Params, name: str) -> str:
    if (value := params.filled(name)) is None:
        raise UploadcareError("RequestParamRequiredError", name)
    return value


def _number(text: str, code: str) -> int:
    digits = text.strip()
    if len(digits) > MAX_DIGITS or not digits.removeprefix("-").isdecimal() or not digits.isascii():
        raise UploadcareError(code)
    return int(digits)


def _check_size(size: int, max_bytes: int) -> None:
    if size > max_bytes:
        raise UploadcareError("MultipartFileSizeLimitExceededError")
    if size < MIN_FILE_BYTES:
        raise UploadcareError("MultipartFileSizeTooSmallError", MIN_FILE_BYTES)


def _part_bytes(text: str | None, size: int) -> int:
    """As asked for, within the limits; the least is more than 5 MiB where there were too many parts otherwise (5.4.3)."""
    part_bytes = MIN_PART_BYTES if text is None else _number(text, "MultipartPartSizeInvalidError")
    least = max(MIN_PART_BYTES, -(-size // MAX_PARTS))
    if part_bytes > MAX_PART_BYTES:
        raise UploadcareError("MultipartPartSizeTooBigError", MAX_PART_BYTES)
    if part_bytes < least:
        raise UploadcareError("MultipartPartSizeTooSmallError", least)
    return part_bytes


def _parts(size: int, part_bytes: int) -> int:
    return -(-size // part_bytes)


def _check_parts(parts: Sequence[Part], size: int) -> None:
    total = sum(part.size_bytes for part in parts)
    if total < size:
        raise UploadcareError("MultipartUploadSizeTooSmallError")
    if total > size:
        raise UploadcareError("MultipartUploadSizeTooLargeError")
