"""The three routes of the eachlabs API."""

import asyncio
from uuid import UUID

from aiohttp import web

from contracts.ids import UploadId
from libs.egress.url import UrlRefusedError, check_host
from libs.web.request import read_json
from libs.web.route import Answer, Api, Parameter, Route
from services.gateway.auth import HEADER
from services.gateway.deps import Deps
from services.gateway.dialects.eachlabs.errors import render_error
from services.gateway.dialects.eachlabs.schemas import ErrorBody, UploadCreated, UploadRequest, UploadView
from services.gateway.dialects.eachlabs.translate import (
    DIALECT,
    check,
    public_url,
    required_headers,
    timestamp,
    to_registration,
    to_view,
)
from services.gateway.domain.error import InvalidFieldError, UploadNotFoundError
from services.gateway.domain.role import Permission
from services.gateway.store import UploadStore
from services.gateway.usecases.delete import delete_upload

DATABASE_SECONDS = 10
"""After that the answer is 503: whatever was asked may or may not have happened."""

_ID = Parameter("upload_id", "path", "The `id` of the upload", required=True, schema={"type": "string", "format": "uuid"})


def _errors(*statuses: int) -> dict[int, Answer]:
    texts = {
        400: "Invalid request",
        401: "Missing or invalid API key, or another organization's owner",
        403: "The key's role does not allow this",
        404: "No such upload",
        408: "The body did not arrive in time",
        409: "The file is still being processed",
        413: "The body has more than 64 KiB",
        415: "The body is not `application/json`",
        500: "Unexpected server error",
        503: "Try again",
    }
    return {status: Answer(texts[status], ErrorBody) for status in (*statuses, 500, 503)}


def api(deps: Deps) -> Api:
    face = _Face(deps)
    security = ("api_key",)
    return Api(
        name=DIALECT,
        title="eachlabs storage",
        render_error=render_error,
        security_schemes={"api_key": {"type": "apiKey", "in": "header", "name": HEADER}},
        routes=[
            Route(
                "POST",
                "/api/v1/uploads",
                face.create,
                "create_upload",
                "Initiate an upload",
                {200: Answer("Where and how to PUT the file", UploadCreated), **_errors(400, 401, 403, 408, 413, 415)},
                body=UploadRequest,
                security=security,
            ),
            Route(
                "GET",
                "/api/v1/uploads/{upload_id:[^/]+}",
                face.show,
                "get_upload",
                "Status of an upload",
                {200: Answer("The upload", UploadView), **_errors(400, 401, 403, 404)},
                parameters=(_ID,),
                security=security,
            ),
            Route(
                "DELETE",
                "/api/v1/uploads/{upload_id:[^/]+}",
                face.delete,
                "delete_upload",
                "Delete a file",
                {204: Answer("It is deleted, now or before"), **_errors(400, 401, 403, 404, 409)},
                parameters=(_ID,),
                security=security,
            ),
        ],
    )


class _Face:
    def __init__(self, deps: Deps) -> None:
        self._deps = deps

    async def create(self, request: web.Request) -> web.Response:
        deps = self._deps
        principal = await deps.auth.principal(request.headers, Permission.UPLOAD)
        body = await read_json(request, UploadRequest)
        check(body, principal)
        await self._check_callback(body.callback_url)
        new = to_registration(body, principal, deps, deps.clock())
        headers = required_headers(body, new, deps.limits.retention)
        upload_url = deps.objects.presign_put(
            new.staging_key, expires_in=deps.limits.eachlabs_url, headers=headers, now=new.registered_at
        )
        await deps.registrar.register(new)
        created = UploadCreated(
            id=new.id,
            upload_url=upload_url,
            public_url=public_url(deps.base_url, new.id, new.extension),
            expires_at=timestamp(new.file_expires_at or new.deadline_at),
            required_headers=headers,
        )
        return web.json_response(text=created.model_dump_json())

    async def show(self, request: web.Request) -> web.Response:
        principal = await self._deps.auth.principal(request.headers, Permission.READ)
        upload_id = _upload_id(request)
        async with asyncio.timeout(DATABASE_SECONDS), self._deps.database.connection() as connection:
            upload = await UploadStore(connection).find_of_tenant(principal.tenant_id, upload_id, dialect=DIALECT)
        if upload is None:
            raise UploadNotFoundError
        return web.json_response(text=to_view(upload, self._deps.base_url).model_dump_json())

    async def delete(self, request: web.Request) -> web.Response:
        principal = await self._deps.auth.principal(request.headers, Permission.MODIFY)
        upload_id = _upload_id(request)
        async with asyncio.timeout(DATABASE_SECONDS), self._deps.outbox.unit_of_work() as work:
            store = UploadStore(work.connection)
            upload = await store.find_of_tenant(principal.tenant_id, upload_id, dialect=DIALECT, lock=True)
            if upload is None:
                raise UploadNotFoundError
            await delete_upload(upload, work, self._deps.clock())
        return web.Response(status=204)

    async def _check_callback(self, url: str | None) -> None:
        if url is not None:
            try:
                await check_host(url, self._deps.egress)
            except UrlRefusedError as error:
                raise InvalidFieldError("callback_url", f"callback_url: {error.message}") from None


def _upload_id(request: web.Request) -> UploadId:
    """Raises InvalidFieldError."""
    text = request.match_info["upload_id"]
    try:
        upload_id = UUID(text)
    except ValueError:
        upload_id = None
    if upload_id is None or str(upload_id) != text.lower():
        raise InvalidFieldError("id", "id is not a UUID")
    return UploadId(upload_id)
