"""`POST /api/upload`: fields and file in one form, in any order, streamed into the store while they come (T-07).

What the fields say can be judged only when all of them are there; what a refused request brought is deleted again.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Final
from uuid import UUID, uuid4

from aiohttp import web

from contracts.ids import UploadId, new_upload_id
from libs.web.form import Field, FilePart, Form, FormLimits, ReceivedFile, receive_form
from libs.web.request import json_value
from libs.web.route import MalformedBodyError, UnsupportedMediaTypeError
from services.gateway.auth import Principal
from services.gateway.deps import Deps
from services.gateway.dialects.upload24.answer import answer
from services.gateway.dialects.upload24.auth import uploader
from services.gateway.dialects.upload24.errors import Upload24Error
from services.gateway.dialects.upload24.schemas import MAX_FILE_BYTES, Metadata, Submitted
from services.gateway.dialects.upload24.translate import (
    SHOWN,
    file_name,
    to_entry,
    to_registration,
    to_submission,
)
from services.gateway.domain.content_type import UNDECLARED
from services.gateway.domain.error import GatewayError
from services.gateway.domain.registration import Registration
from services.gateway.domain.role import Permission
from services.gateway.domain.submission import SubmissionState
from services.gateway.usecases.submit import Entry, NewSubmission

FILE: Final = "file"
MULTIPART: Final = "multipart/form-data"
LIMITS: Final = FormLimits(body_bytes=MAX_FILE_BYTES + 2**20, fields=256, value_bytes=65536, files=1, file_bytes=MAX_FILE_BYTES)


class FormUpload:
    def __init__(self, deps: Deps) -> None:
        self._deps = deps

    async def upload(self, request: web.Request) -> web.Response:
        principal = await uploader(self._deps, request, Permission.UPLOAD)
        if request.content_type != MULTIPART:
            raise UnsupportedMediaTypeError("Content-Type must be multipart/form-data.")
        form = await receive_form(request, self._deps.objects, _place, LIMITS)
        try:
            entry, new = self._judge(form, principal)
            await self._deps.submitter.submit(NewSubmission(new, to_submission(new, SubmissionState.COMPLETED), entry))
        except (GatewayError, ValueError, Upload24Error):
            with suppress(Exception):
                await asyncio.shield(self._deps.objects.delete(form.keys))
            raise
        status = SHOWN["scheduled" if entry.due_at else "processing"]
        return answer(Submitted(upload_id=new.id, file_id=new.id, status=status), status=201)

    def _judge(self, form: Form, principal: Principal) -> tuple[Entry, Registration]:
        """Raises ValidationError (a ValueError), GatewayError or Upload24Error."""
        now = self._deps.clock()
        entry = to_entry(Metadata.model_validate(_values(form)), principal, now)
        file = _file(form)
        upload_id, token = file.stored.key.split("/")[1:]
        content_type = file.stored.content_type or UNDECLARED
        new = to_registration(
            self._deps,
            principal,
            entry,
            UploadId(UUID(upload_id)),
            now=now,
            transfer="streamed",
            content_type=content_type,
            size_bytes=file.stored.size_bytes,
            name=file_name(file.part.filename),
            token=token,
        )
        return entry, new


async def _place(_part: FilePart, _fields: Sequence[Field]) -> str:
    return f"staging/{new_upload_id()}/{uuid4().hex}"


def _file(form: Form) -> ReceivedFile:
    if not form.files or form.files[0].part.field != FILE:
        raise Upload24Error("file_required", "file is required")
    if form.files[0].stored.size_bytes == 0:
        raise Upload24Error("file_empty", "file must have more than 0 bytes")
    return form.files[0]


def _values(form: Form) -> Mapping[str, Any]:
    """The fields as the JSON routes have them; of a repeated one the last counts."""
    values: dict[str, Any] = {}
    for name, value in form.fields:
        match name:
            case "accounts" | "accounts[]":
                values.setdefault("accounts", []).append(value)
            case "youtube":
                values[name] = _json(value)
            case _:
                values[name] = value
    if values.get("scheduledOn") == "":
        del values["scheduledOn"]
    return values


def _json(text: str) -> Any:
    """What it says; what is no JSON that the other routes would take stays text, which the model refuses."""
    try:
        return json_value(text.encode())
    except MalformedBodyError:
        return text
