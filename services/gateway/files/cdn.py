"""Uploadcare's CDN addresses: files, and images made of them on the fly (U-05). https://uploadcare.com/docs/api/url/

Errors are plain text, as that CDN's are.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache, partial
from typing import Any, Final

from aiohttp import web

from libs.file_name.name import clean_name
from libs.runtime.single_flight import BusyError
from libs.web.problem import RETRY_AFTER_SECONDS, UNAVAILABLE_ERRORS
from libs.web.route import Answer, Api, HttpError, NotFoundError, Parameter
from services.gateway.domain.image.argument import OperationError
from services.gateway.domain.image.facts import UNKNOWN, upright_facts
from services.gateway.domain.image.parsing import ParsedTransformation, parse_operations
from services.gateway.domain.image.transformation import Transformation
from services.gateway.domain.picture import EXTENSIONS
from services.gateway.domain.served_file import ServedFile
from services.gateway.files.caching import Caching
from services.gateway.files.derived import Derivatives, ImageRequest
from services.gateway.files.header import CORS, HARMLESS
from services.gateway.files.image import ImageChildError
from services.gateway.files.published import Published, original
from services.gateway.files.readable import CONTENT, readable
from services.gateway.files.send import FileSender
from services.gateway.files.uploadcare import UploadcareFiles

_UUID: Final = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
FILE: Final = f"/{{file_id:{_UUID}}}"
GROUP: Final = f"/{{group_id:{_UUID}}}~{{files_count:[1-9][0-9]{{0,3}}}}"
MEMBER: Final = f"{GROUP}/nth/{{position:[0-9]{{1,4}}}}"

_ACCEPT = Parameter("Accept", "header", "Where it names `image/webp`, results that ask for no format are WebP.")
_FILE_ANSWERS = {
    **CONTENT,
    404: Answer("Nothing is published here.", content_type="text/plain"),
    503: Answer("Busy or restarting.", content_type="text/plain", headers={"Retry-After": "Seconds."}),
}
_GROUP_ANSWERS = {
    200: Answer("One address a line.", content_type="text/plain"),
    404: _FILE_ANSWERS[404],
    503: _FILE_ANSWERS[503],
}
_IMAGE_ANSWERS = {
    **_FILE_ANSWERS,
    400: Answer("No such operation, or not with this image; the text says why.", content_type="text/plain"),
    415: Answer("The file is no image.", content_type="text/plain"),
}


_parse: Final = lru_cache(maxsize=1024)(parse_operations)
"""The same few chains are asked for again and again."""


class NotInspectedError(Exception):
    """It is not known yet what the file is; a little later it will be."""

    code = "not_inspected"


class Cdn:
    def __init__(self, base_url: str, files: UploadcareFiles, sender: FileSender, derivatives: Derivatives) -> None:
        self._base_url = base_url
        self._files = files
        self._sender = sender
        self._derivatives = derivatives

    async def file(self, request: web.Request) -> web.StreamResponse:
        upload = await self._upload(request)
        return await self._send_original(request, upload, request.match_info.get("file_name"))

    async def image(self, request: web.Request) -> web.StreamResponse:
        operations = request.match_info["operations"]
        _parse(operations)  # what is wrong with the address is said whether or not there is such a file
        return await self._send_result(request, await self._upload(request), operations)

    async def group(self, request: web.Request) -> web.StreamResponse:
        """The addresses of its files, one a line."""
        group_id, files_count = request.match_info["group_id"], int(request.match_info["files_count"])
        if not await self._files.has_group(group_id, files_count):
            raise NotFoundError("File not found.")
        address = f"{self._base_url}/{group_id}~{files_count}/nth"
        return web.Response(text="".join(f"{address}/{position}/\n" for position in range(files_count)), headers=CORS)

    async def group_file(self, request: web.Request) -> web.StreamResponse:
        upload, effects = await self._member(request)
        name = request.match_info.get("file_name")
        if effects:
            return await self._send_result(request, upload, f"{effects}{name or ''}")
        return await self._send_original(request, upload, name)

    async def group_image(self, request: web.Request) -> web.StreamResponse:
        operations = request.match_info["operations"]
        _parse(operations)
        upload, effects = await self._member(request)
        return await self._send_result(request, upload, f"{effects}-/{operations}" if effects else operations)

    async def _upload(self, request: web.Request) -> ServedFile:
        upload = await self._files.find(request.match_info["file_id"])
        if upload is None:
            raise NotFoundError("File not found.")
        return upload

    async def _member(self, request: web.Request) -> tuple[ServedFile, str]:
        path = request.match_info
        found = await self._files.find_in_group(path["group_id"], int(path["files_count"]), int(path["position"]))
        if found is None:
            raise NotFoundError("File not found.")
        upload, effects = found
        return upload, f"{effects.rstrip('/')}/" if effects else ""

    async def _send_original(
        self, request: web.Request, upload: ServedFile, name: str | None, *, inline: bool | None = None
    ) -> web.StreamResponse:
        published = original(upload)
        cleaned = clean_name(name or "") or published.file_name
        return await self._sender.send(request, replace(published, file_name=cleaned, inline=inline))

    async def _send_result(self, request: web.Request, upload: ServedFile, operations: str) -> web.StreamResponse:
        parsed = _parse(operations)
        if not parsed.needs_image:
            return await self._send_original(request, upload, parsed.file_name, inline=parsed.inline)
        accepts_webp = "image/webp" in request.headers.get("Accept", "")
        wanted = ImageRequest(upload, parsed.transformation, accepts_webp)
        if parsed.transformation.report is not None:
            return await self._send_report(wanted, parsed)
        image = await self._image(wanted, parsed)
        try:
            return await self._sender.send(request, image)
        except NotFoundError:  # it had to make room for another one meanwhile: it is made again
            return await self._sender.send(request, await self._image(wanted, parsed))

    async def _image(self, wanted: ImageRequest, parsed: ParsedTransformation) -> Published:
        """Made where it is not kept."""
        found = await self._derivatives.get(wanted)
        assert found.content_type is not None
        return Published(
            found.key,
            found.content_type,
            clean_name(parsed.file_name or "") or _renamed(original(wanted.upload).file_name, found.content_type),
            vary=_vary(wanted.transformation),
            inline=parsed.inline,
            caching=Caching.IMMUTABLE,
            expires_at=wanted.upload.file_expires_at,
        )

    async def _send_report(self, wanted: ImageRequest, parsed: ParsedTransformation) -> web.Response:
        """What the inspection found of the file, and what was found of the image where the report stands."""
        upload = await self._files.inspected(wanted.upload)
        if upload is None:
            raise NotInspectedError
        original_facts = {"id": str(upload.id), **(upright_facts(upload.image) if upload.image else UNKNOWN)}
        if upload.image is not None and wanted.transformation == _FACTS_OF_THE_ORIGINAL:
            facts = original_facts
        else:
            measured = json.loads(await self._derivatives.read(wanted))
            facts = _with_measured(original_facts, measured, parsed, is_inspected=upload.image is not None)
        vary = _vary(wanted.transformation)
        headers = {"Cache-Control": "no-cache", **({"Vary": vary} if vary else {}), **HARMLESS, **CORS}
        return web.json_response(facts, headers=headers)


_FACTS_OF_THE_ORIGINAL: Final = parse_operations("json/").transformation


def _vary(transformation: Transformation) -> str | None:
    return "Accept" if transformation.negotiates else None


def _with_measured(
    original_facts: Mapping[str, Any], measured: Mapping[str, Any], parsed: ParsedTransformation, *, is_inspected: bool
) -> dict[str, Any]:
    """What is told of the original where nothing was done to it, else of what became of it, with the original's beside that."""
    if replace(parsed.transformation, report=None) == Transformation():
        return {**measured, **original_facts} if is_inspected else {**original_facts, **measured}
    is_upright = parsed.transformation.settings.autorotate
    return {
        **original_facts,
        **measured,
        "id": f"/{original_facts['id']}/-/{parsed.path_before_report}/",
        "sequence": False,
        "orientation": None if is_upright else original_facts["orientation"],
        "original": original_facts,
    }


def api(base_url: str, files: UploadcareFiles, sender: FileSender, derivatives: Derivatives) -> Api:
    cdn = Cdn(base_url, files, sender, derivatives)
    file = partial(readable, answers=_FILE_ANSWERS)
    listing = partial(readable, answers=_GROUP_ANSWERS)
    image = partial(readable, answers=_IMAGE_ANSWERS, parameters=[_ACCEPT])
    return Api(
        name="cdn",
        title="Files and images at Uploadcare's CDN addresses",
        routes=[
            *file(FILE, "file_without_slash", "A file", cdn.file),
            *file(f"{FILE}/", "file", "A file", cdn.file),
            *file(f"{FILE}/{{file_name:[^/]+}}", "named_file", "A file under a name of one's own", cdn.file),
            *image(f"{FILE}/-/{{operations:.*}}", "image", "An image made of a file", cdn.image),
            *listing(f"{GROUP}/", "group", "The addresses of a group's files, one a line", cdn.group),
            *image(f"{MEMBER}/", "group_file", "A group's file by its place from 0", cdn.group_file),
            *image(f"{MEMBER}/{{file_name:[^/]+}}", "named_group_file", "A group's file under another name", cdn.group_file),
            *image(f"{MEMBER}/-/{{operations:.*}}", "group_image", "An image made of a group's file", cdn.group_image),
        ],
        render_error=_render_error,
    )


def _renamed(name: str, content_type: str) -> str:
    """The original's name, with the ending of what became of it."""
    stem = name.rpartition(".")[0] or name
    return stem + EXTENSIONS[content_type]


def _render_error(_request: web.Request, error: Exception) -> web.Response:
    if isinstance(error, HttpError):
        answer = web.Response(status=error.status, text=error.message)
    elif isinstance(error, OperationError):
        answer = web.Response(status=400, text=error.message)
    elif isinstance(error, (BusyError, ImageChildError, NotInspectedError, *UNAVAILABLE_ERRORS)):
        answer = web.Response(status=503, text="The service is busy or restarting; try again.")
        answer.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    else:
        answer = web.Response(status=500, text="Something went wrong here; it was logged.")
    answer.headers["X-Content-Type-Options"] = "nosniff"
    answer.headers["Cache-Control"] = "no-store"  # what is not there now may be in a moment
    answer.headers.update(CORS)
    return answer
