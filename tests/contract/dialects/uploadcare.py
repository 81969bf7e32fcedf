"""What the tests of the Uploadcare API share: a project, requests in every encoding, refusals in every rendering."""

import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from io import BytesIO
from typing import Any
from urllib.parse import urlencode
from uuid import UUID, uuid4

from aiohttp import ClientResponse, FormData
from yarl import URL

from contracts.events import (
    Event,
    FileInspected,
    ObjectStored,
    Stage,
    StoredObject,
    UploadCompleted,
    UploadRegistered,
    UploadRejected,
)
from libs.runtime.secret import SecretBox
from services.gateway.domain.project import Project, ProjectId, ProjectStatus, new_public_key, new_secret_key
from services.gateway.store import ProjectStore
from tests.contract.dialects.conftest import BASE_URL, SECRET_KEY, Gateway
from tests.contract.dialects.uploadcare_codes import ROWS

MIB = 2**20
PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"


@dataclass(frozen=True)
class File:
    field: str = "file"
    content: bytes = b"hello"
    filename: str | None = "hello.txt"
    content_type: str = "text/plain"


@dataclass(frozen=True)
class Request:
    path: str = "/base/"
    method: str = "POST"
    fields: Sequence[tuple[str, str]] = ()
    """In the body: as form data where there are files, else urlencoded."""
    query: Sequence[tuple[str, str]] = ()
    files: Sequence[File] = ()
    files_first: bool = False
    """As the JavaScript client sends them."""
    body: bytes | None = None
    """Instead of fields and files."""
    headers: dict[str, str] = field(default_factory=dict)

    def data(self) -> Any:
        if self.body is not None:
            return BytesIO(self.body)
        if not self.files:
            return BytesIO(urlencode(list(self.fields)).encode()) if self.fields else None
        form = FormData(quote_fields=False)
        first, last = (self._add_files, self._add_fields) if self.files_first else (self._add_fields, self._add_files)
        first(form)
        last(form)
        return form

    def _add_fields(self, form: FormData) -> None:
        for name, value in self.fields:
            form.add_field(name, value)

    def _add_files(self, form: FormData) -> None:
        for file in self.files:
            form.add_field(file.field, BytesIO(file.content), filename=file.filename, content_type=file.content_type)


@dataclass
class Uploadcare:
    gateway: Gateway
    project: Project
    secret_key: str

    # ------------------------------------------------------------ requests

    def key(self, name: str = "pub_key") -> tuple[str, str]:
        return name, self.project.public_key

    def direct(self, *fields: tuple[str, str], files: Sequence[File] = (File(),), **about: Any) -> Request:
        return Request("/base/", fields=[self.key("UPLOADCARE_PUB_KEY"), *fields], files=files, **about)

    def start(self, *fields: tuple[str, str], **about: Any) -> Request:
        """For a file of 11 MiB unless `fields` say otherwise."""
        usual = {"filename": "big.bin", "size": str(11 * MIB), "content_type": "application/octet-stream"}
        given = [self.key("UPLOADCARE_PUB_KEY"), *{**usual, **dict(fields)}.items()]
        return Request("/multipart/start/", fields=given, **about)

    def complete(self, upload_id: str) -> Request:
        return Request("/multipart/complete/", fields=[self.key("UPLOADCARE_PUB_KEY"), ("uuid", upload_id)])

    def from_url(self, url: str, *fields: tuple[str, str]) -> Request:
        return Request("/from_url/", fields=[self.key(), ("source_url", url), *fields])

    def status(self, token: str) -> Request:
        return Request("/from_url/status/", "GET", query=[("token", token)])

    def info(self, file_id: str) -> Request:
        return Request("/info/", "GET", query=[self.key(), ("file_id", file_id)])

    def group(self, *files: str) -> Request:
        return Request("/group/", fields=[self.key(), *((f"files[{n}]", file) for n, file in enumerate(files))])

    def group_info(self, group_id: str) -> Request:
        return Request("/group/info/", "GET", query=[self.key(), ("group_id", group_id)])

    def signed(self, expire: str) -> list[tuple[str, str]]:
        return [("signature", hmac.new(self.secret_key.encode(), expire.encode(), sha256).hexdigest()), ("expire", expire)]

    # ------------------------------------------------------------ calls

    async def send(self, request: Request) -> ClientResponse:
        url = URL(request.path, encoded=True).extend_query(list(request.query))
        headers = dict(request.headers)
        if request.body is None and not request.files and request.fields:
            headers.setdefault("Content-Type", "application/x-www-form-urlencoded")
        return await self.gateway.http.request(request.method, url, data=request.data(), headers=headers, allow_redirects=False)

    async def ok(self, request: Request) -> Any:
        response = await self.send(request)
        assert response.status == 200, await response.text()
        assert response.headers["Access-Control-Allow-Origin"] == "*"
        body = await response.json()
        assert "error" not in body or "status" in body, body
        return body

    async def refused(self, row: str, request: Request, *words: object) -> None:
        """With the row's code, status and sentence, in each rendering (U-38)."""
        code, status, sentence = ROWS[row]
        content = sentence % words
        await self.refused_with(request, status, code, content)

    async def refused_with(self, request: Request, status: int, code: str, content: str) -> None:
        expected = {"error": {"status_code": status, "content": content, "error_code": code}}
        plain = await self.send(request)
        assert (plain.status, await plain.json()) == (status, expected)
        browser = await self.send(replace(request, query=[*request.query, ("jsonerrors", "1")]))
        assert (browser.status, await browser.json()) == (200, expected)
        text = await self.send(replace(request, headers={**request.headers, "Accept": "text/plain"}))
        assert (text.status, await text.text()) == (status, content)
        assert text.content_type == "text/plain"
        for response in (plain, browser, text):
            assert response.headers["Access-Control-Allow-Origin"] == "*"
            assert response.headers["Access-Control-Expose-Headers"] == "Warning, Retry-After"

    async def upload(self, *fields: tuple[str, str], **about: Any) -> str:
        """One file; its id."""
        body = await self.ok(self.direct(*fields, files=[File(**about)]))
        [file_id] = body.values()
        return str(file_id)

    async def put(self, url: str, body: bytes, content_type: str = "application/octet-stream") -> int:
        """A part, to whichever store; the status."""
        target = URL(url, encoded=True)
        if url.startswith(BASE_URL):
            target = URL(str(self.gateway.http.make_url("/")).rstrip("/") + target.raw_path_qs, encoded=True)
        async with self.gateway.http.session.put(
            target, data=BytesIO(body), headers={"Content-Type": content_type}
        ) as response:
            return response.status

    # ------------------------------------------------------------ what happens meanwhile

    async def registered(self, file_id: str | None = None) -> UploadRegistered:
        """What was registered last, or under that id."""
        events = await self.gateway.emitted(UploadRegistered)
        found: UploadRegistered = next(e for e in reversed(events) if file_id is None or str(e.upload_id) == file_id)
        return found

    async def bytes_of(self, key: str) -> bytes:
        return b"".join([chunk async for chunk in self.gateway.store.read(key)])

    async def accepted(self, file_id: str, size_bytes: int = 5) -> None:
        """As the session service says it."""
        await self.gateway.handle(*self._accepted(file_id, size_bytes))

    def _accepted(self, file_id: str, size_bytes: int) -> Sequence[Event]:
        about = self.gateway.about(file_id)
        stored = StoredObject(key=f"files/{file_id}/original", size_bytes=size_bytes, etag="e1", stored_at=datetime.now(UTC))
        return (
            ObjectStored(**about, version=Stage.STORED, object=stored, noticed_by="notification"),
            UploadCompleted(**about, version=Stage.CLOSED, object=stored, completed_at=datetime.now(UTC)),
        )

    async def rejected(self, file_id: str, code: str, message: str = "") -> None:
        await self.gateway.handle(
            UploadRejected(**self.gateway.about(file_id), version=Stage.CLOSED, code=code, message=message)
        )

    async def inspected(self, file_id: str, **what: Any) -> None:
        values = {"mime_type": "text/plain", "size_bytes": 5, **what}
        await self.gateway.handle(FileInspected(**self.gateway.about(file_id), version=Stage.INSPECTED, **values))

    async def change(self, **settings: Any) -> None:
        """The project's."""
        self.project = replace(self.project, **settings)
        async with self.gateway.service.outbox.database.transaction() as connection:
            await ProjectStore(connection).update(self.project)


async def uploadcare_of(gateway: Gateway, **settings: Any) -> Uploadcare:
    """A project of the gateway's tenant."""
    now, secret_key = datetime.now(UTC), new_secret_key()
    project = Project(
        id=ProjectId(uuid4()),
        tenant_id=gateway.tenant.id,
        name="Test",
        public_key=new_public_key(),
        secret_sealed=SecretBox(SECRET_KEY).seal(secret_key),
        signed_uploads=False,
        auto_store=True,
        max_file_size_bytes=10**9,
        rate_limit=None,
        allowed_types=(),
        forbidden_types=(),
        allowed_origins=(),
        status=ProjectStatus.ACTIVE,
        created_at=now,
        updated_at=now,
    )
    async with gateway.service.outbox.database.transaction() as connection:
        await ProjectStore(connection).insert(project)
    made = Uploadcare(gateway, project, secret_key)
    if settings:
        await made.change(**settings)
    return made


def in_seconds(seconds: float) -> str:
    return str(int((datetime.now(UTC) + timedelta(seconds=seconds)).timestamp()))


def is_uuid(text: str) -> bool:
    return str(UUID(text)) == text
