"""A project of the Uploadcare API in a gateway: its files appear without an upload, its keys call the REST API."""

import hashlib
import hmac
import json
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from aiohttp import ClientResponse

from contracts.events import FileInspected, ImageInfo, Stage, StoredObject, UploadCompleted, WebhookRequested
from contracts.ids import UploadId, new_upload_id
from libs.runtime.secret import SecretBox
from services.gateway.domain.project import Project, ProjectId, ProjectStatus, new_public_key, new_secret_key
from services.gateway.domain.registration import Registration
from services.gateway.store import GroupStore, ProjectStore
from services.gateway.store.group import Group
from services.gateway.usecases.register import Registrar
from tests.contract.dialects.conftest import SECRET_KEY, Gateway

ACCEPT = "application/vnd.uploadcare-v0.7+json"
IMAGE = ImageInfo(format="jpeg", width=640, height=480, color_mode="RGB", dpi=(72.0, 72.0))


@dataclass
class ProjectKeys:
    gateway: Gateway
    project: Project
    secret_key: str = field(repr=False)

    async def call(self, method: str, path: str, **options: Any) -> ClientResponse:
        """With the simple scheme."""
        headers = {
            "Accept": ACCEPT,
            "Authorization": f"Uploadcare.Simple {self.project.public_key}:{self.secret_key}",
            **options.pop("headers", {}),
        }
        return await self.gateway.http.request(method, path, headers=headers, **options)

    async def json(self, method: str, path: str, *, status: int = 200, **options: Any) -> Any:
        response = await self.call(method, path, **options)
        text = await response.text()
        assert response.status == status, text
        assert response.content_type == ACCEPT
        return json.loads(text)

    async def refused(self, status: int, method: str, path: str, **options: Any) -> str:
        """What it says why."""
        return str((await self.json(method, path, status=status, **options))["detail"])

    async def register(self, name: str = "photo.jpg", *, stored: bool = False, **fields: Any) -> UploadId:
        """Bytes lie in the store, nothing is verified."""
        now = fields.pop("registered_at", datetime.now(UTC))
        new = Registration(
            id=new_upload_id(), tenant_id=self.project.tenant_id, dialect="uploadcare", registered_at=now, url_expires_at=now,
            deadline_at=now + timedelta(hours=1), file_expires_at=None if stored else datetime.now(UTC) + timedelta(days=1),
            content_type="image/jpeg", max_size_bytes=10**6, size_bytes=1000, transfer="streamed", name=name,
            project_id=self.project.id, kept_at=now if stored else None, **fields,
        )  # fmt: skip
        await Registrar(self.gateway.service.outbox, self.gateway.store).register(new)
        return new.id

    async def file(self, name: str = "photo.jpg", *, stored: bool = False, **fields: Any) -> UploadId:
        """Verified and inspected."""
        upload_id = await self.register(name, stored=stored, **fields)
        await self.gateway.complete(upload_id, content_type="image/jpeg")
        await self.gateway.handle(self.inspection(upload_id))
        return upload_id

    async def readable_file(self) -> UploadId:
        """With five bytes in the store."""
        upload_id = await self.register()
        key = f"files/{upload_id}/original"
        await self.gateway.put(key)
        info = await self.gateway.store.stat(key)
        assert info is not None
        stored = StoredObject(
            key=key, size_bytes=info.size_bytes, etag=info.etag, content_type="image/jpeg", stored_at=info.modified_at
        )
        about = self.gateway.about(upload_id)
        await self.gateway.handle(
            UploadCompleted(**about, version=Stage.CLOSED, object=stored, completed_at=datetime.now(UTC)),
            self.inspection(upload_id),
        )
        return upload_id

    def inspection(self, upload_id: UploadId) -> FileInspected:
        about = self.gateway.about(upload_id)
        return FileInspected(**about, version=Stage.INSPECTED, mime_type="image/jpeg", size_bytes=1000, image=IMAGE)

    async def group(self, *files: UploadId, effects: str = "") -> str:
        group = Group(uuid4(), self.project.id, datetime.now(UTC), len(files))
        async with self.gateway.service.outbox.database.transaction() as connection:
            await GroupStore(connection).insert(group, [(one, effects) for one in files])
        return f"{group.id}~{len(files)}"

    async def hook(self, event: str, url: str = "https://receiver.example.com/hook", **fields: Any) -> dict[str, Any]:
        hook: dict[str, Any] = await self.json(
            "POST", "/webhooks/", status=201, json={"event": event, "target_url": url, **fields}
        )
        return hook

    async def told(self) -> list[WebhookRequested]:
        """What webhooks were asked for so far about the tenant."""
        return await self.gateway.emitted(WebhookRequested)

    async def change(self, **fields: Any) -> None:
        """What an operator does to the project."""
        self.project = replace(self.project, **fields)
        async with self.gateway.service.outbox.database.transaction() as connection:
            await ProjectStore(connection).update(self.project)


async def add_project(gateway: Gateway) -> ProjectKeys:
    secret_key, now = new_secret_key(), datetime.now(UTC)
    project = Project(
        id=ProjectId(uuid4()), tenant_id=gateway.tenant.id, name="Test", public_key=new_public_key(),
        secret_sealed=SecretBox(SECRET_KEY).seal(secret_key), signed_uploads=False, auto_store=True,
        max_file_size_bytes=10**9, rate_limit=None, allowed_types=(), forbidden_types=(), allowed_origins=(),
        status=ProjectStatus.ACTIVE, created_at=now, updated_at=now,
    )  # fmt: skip
    async with gateway.service.outbox.database.transaction() as connection:
        await ProjectStore(connection).insert(project)
    return ProjectKeys(gateway, project, secret_key)


def sign(secret: str, method: str, body: bytes, content_type: str, date: str, uri: str) -> str:
    """https://uploadcare.com/docs/api/rest/authentication/, by hand."""
    lines = (method, hashlib.md5(body).hexdigest(), content_type, date, uri)
    return hmac.new(secret.encode(), "\n".join(lines).encode(), hashlib.sha1).hexdigest()
