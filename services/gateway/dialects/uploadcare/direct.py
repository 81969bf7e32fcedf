"""`POST /base/`: files as form data, several in one request, streamed into the store while they come (U-06 to U-13).

What comes before the files is judged before anything is stored: the project, its state, limits and signature. But fields may
follow the files, so the rest is judged when all of it is there; what it brought is deleted again where it is refused. Two
parameters stand in the published errors alone (U-42) and mean here:

- `UPLOADCARE_FILE_ID`: the id that the file shall have, a UUID that no file of anybody has; for a request with one file.
- `UPLOADCARE_ACTION`: an http(s) address, to which a form that a browser sent is led on with 303 and `<field>=<uuid>` in the
  query; where the project names allowed origins, only to one of these. Without it the answer is 200, as always.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Final
from urllib.parse import quote, urlencode
from uuid import UUID, uuid4

from aiohttp import web

from contracts.ids import UploadId, new_upload_id
from libs.egress.url import CheckedUrl, UrlRefusedError, parse_url
from libs.file_name.name import clean_name
from libs.media_type.policy import TypePolicy
from libs.object_store.port import StoreUnavailableError
from libs.web.form import Field, FilePart, Form, FormLimits, ReceivedFile, receive_form
from libs.web.route import UnsupportedMediaTypeError
from services.gateway.deps import Deps
from services.gateway.dialects.uploadcare.answer import answer
from services.gateway.dialects.uploadcare.errors import UploadcareError
from services.gateway.dialects.uploadcare.params import MAX_FIELDS, Params, read_params, to_uuid
from services.gateway.dialects.uploadcare.project import UPLOADCARE_PUB_KEY, admit, check_same, names_project, still
from services.gateway.dialects.uploadcare.signature import authorize, check_signature
from services.gateway.dialects.uploadcare.sniffing import actual_type
from services.gateway.dialects.uploadcare.translate import max_file_bytes, to_registration
from services.gateway.dialects.uploadcare.verdict import Verdicts
from services.gateway.domain.content_type import UNDECLARED, extension_of
from services.gateway.domain.error import IdTakenError
from services.gateway.domain.project import Project
from services.gateway.domain.registration import Registration
from services.gateway.store import ProjectUploadStore

MAX_FILE_BYTES: Final = 100 * 2**20 - 1
"""U-07: smaller than 100 MB, which are binary here (5.4.1)."""
MAX_FILES: Final = 100
MAX_REQUEST_BYTES: Final = 2**30
"""U-E22: of all files of one request together."""
MAX_ACTION_CHARACTERS: Final = 2048
IN_A_FRAGMENT: Final = "!$%&'()*+,/:;=?@"
LIMITS: Final = FormLimits(
    body_bytes=MAX_REQUEST_BYTES, fields=MAX_FIELDS, value_bytes=4096, files=MAX_FILES, file_bytes=MAX_FILE_BYTES
)


class Admission:
    """Whom one request speaks for, judged as soon as a key has come. JavaScript clients send it after the file."""

    def __init__(self, deps: Deps, request: web.Request) -> None:
        self._deps = deps
        self._request = request
        self._admitted: Project | None = None

    async def judge_early(self, params: Params) -> None:
        """Before a file is stored, with the fields so far. Raises UploadcareError."""
        if self._admitted is None and names_project(params):
            self._admitted = await admit(self._deps, self._request, params, UPLOADCARE_PUB_KEY)
            check_signature(self._deps, params, self._admitted)

    async def project(self, params: Params) -> Project:
        """With all fields. Raises UploadcareError."""
        if self._admitted is None:
            return await admit(self._deps, self._request, params, UPLOADCARE_PUB_KEY)
        check_same(params, self._admitted)
        return await still(self._deps, self._admitted)


class Direct:
    def __init__(self, deps: Deps, verdicts: Verdicts) -> None:
        self._deps = deps
        self._verdicts = verdicts

    async def upload(self, request: web.Request) -> web.Response:
        admission = Admission(self._deps, request)
        form = await self._receive(request, admission)
        try:
            registrations, action = await self._judge(request, form, admission)
        except BaseException:
            with suppress(Exception):
                await asyncio.shield(self._deps.objects.delete(form.keys))
            raise
        await self._register(registrations)
        await self._verdicts.wait(request, [new.id for new in registrations])
        ids = {file.part.field: str(new.id) for file, new in zip(form.files, registrations, strict=True)}
        if action is None:
            return answer(ids)
        return answer(ids, status=303, headers={"Location": _location(action, ids)})

    async def _register(self, registrations: Sequence[Registration]) -> None:
        try:
            await self._deps.registrar.register(*registrations)
        except IdTakenError:  # between the look and the commit
            await self._deps.objects.delete([new.staging_key for new in registrations])
            raise

    async def _receive(self, request: web.Request, admission: Admission) -> Form:
        async def place(_part: FilePart, fields: Sequence[Field]) -> str:
            await admission.judge_early(Params(fields))
            return f"staging/{new_upload_id()}/{uuid4().hex}"

        try:
            return await receive_form(request, self._deps.objects, place, LIMITS)
        except UnsupportedMediaTypeError:
            return Form((await read_params(request)).fields)

    async def _judge(
        self, request: web.Request, form: Form, admission: Admission
    ) -> tuple[Sequence[Registration], CheckedUrl | None]:
        """Everything that can be wrong. Raises UploadcareError."""
        deps, params = self._deps, Params(form.fields)
        project = await admission.project(params)
        _check_files(form.files, max_file_bytes(deps, project))
        action = _action(params, project)
        chosen = await self._chosen_id(params, len(form.files))
        await self._check_types(form.files, TypePolicy(project.allowed_types, project.forbidden_types))
        registrations = [self._registration(file, project, params) for file in form.files]
        await authorize(deps, request, params, project, files=len(form.files))
        if chosen is not None:
            registrations = [await self._renamed(registrations[0], chosen)]
        return registrations, action

    def _registration(self, file: ReceivedFile, project: Project, params: Params) -> Registration:
        now = self._deps.clock()
        upload_id, token = file.stored.key.split("/")[1:]
        content_type = file.stored.content_type or UNDECLARED
        return to_registration(
            self._deps,
            project,
            params,
            UploadId(UUID(upload_id)),
            url_expires_at=now,
            now=now,
            token=token,
            transfer="streamed",
            content_type=content_type,
            size_bytes=file.stored.size_bytes,
            max_size_bytes=file.stored.size_bytes,
            name=clean_name(file.part.filename) or clean_name(file.part.field),
            extension=extension_of(content_type),
        )

    async def _chosen_id(self, params: Params, files: int) -> UploadId | None:
        text = params.get("UPLOADCARE_FILE_ID")
        if text is None:
            return None
        if not text:
            raise UploadcareError("UploadcareFileIdRequiredError")
        if (chosen := to_uuid(text)) is None:
            raise UploadcareError("UploadcareFileIdInvalidError")
        if files > 1:
            raise UploadcareError("FileIdNotUniqueError")
        async with self._deps.database.connection() as connection:
            if await ProjectUploadStore(connection).exists(UploadId(chosen)):
                raise UploadcareError("UploadcareFileIdDuplicatedError")
        return UploadId(chosen)

    async def _renamed(self, new: Registration, chosen: UploadId) -> Registration:
        """The same under the id that the client chose, the staged object too."""
        renamed = replace(new, id=chosen)
        staged = await self._deps.objects.stat(new.staging_key)
        if staged is None:
            raise StoreUnavailableError("what was just written is not there")
        await self._deps.objects.copy(new.staging_key, renamed.staging_key, match_etag=staged.etag)
        await self._deps.objects.delete([new.staging_key])
        return renamed

    async def _check_types(self, files: Sequence[ReceivedFile], policy: TypePolicy) -> None:
        for file in files if policy else ():
            declared = file.stored.content_type or UNDECLARED
            if not policy.takes_declared(declared):
                raise UploadcareError("FileTypeForbiddenError")
            if not policy.takes_actual(await actual_type(self._deps.objects, file.stored.key), declared):
                raise UploadcareError("FileTypeForbiddenError")


def _check_files(files: Sequence[ReceivedFile], max_bytes: int) -> None:
    if not files:
        raise UploadcareError("FilesRequiredError")
    if any(file.stored.size_bytes == 0 for file in files):  # what browsers send of an empty file input
        raise UploadcareError("FileRequiredError")
    if any(file.stored.size_bytes > max_bytes for file in files):
        raise UploadcareError("FileSizeLimitExceededError")
    if len({file.part.field for file in files}) < len(files):  # the answer could name only one of them
        raise UploadcareError("UploadViewsError")


def _action(params: Params, project: Project) -> CheckedUrl | None:
    text = params.get("UPLOADCARE_ACTION")
    if text is None:
        return None
    if not text:
        raise UploadcareError("UploadcareActionRequiredError")
    try:
        action = parse_url(text, max_characters=MAX_ACTION_CHARACTERS)
    except UrlRefusedError:
        raise UploadcareError("UploadcareActionInvalidError") from None
    if project.allowed_origins and action.origin not in map(str.lower, project.allowed_origins):
        raise UploadcareError("InternalRequestForbiddenError")
    return action


def _location(action: CheckedUrl, ids: Mapping[str, str]) -> str:
    """Spelled as the client spelled it, the ids added to its query."""
    separator = "&" if "?" in action.target else "?"
    _, mark, fragment = action.url.partition("#")
    return f"{action.sent}{separator}{urlencode(ids)}{mark}{quote(fragment, safe=IN_A_FRAGMENT)}"
