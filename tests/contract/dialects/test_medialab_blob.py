"""`/api/upload/blob` of the MediaLab API, on both stores. That ingest fetches what is asked for is in its own tests."""

from typing import Any
from urllib.parse import unquote
from uuid import uuid4

import pytest
import pytest_asyncio

from contracts.container import CONTAINER, AzureContainer, S3Container
from contracts.events import FetchRequested
from libs.runtime.secret import SecretBox
from services.gateway.auth import key_hash, new_operator_token
from services.gateway.store import OperatorStore
from tests.contract.dialects.conftest import SECRET_KEY, Gateway
from tests.contract.dialects.medialab import MediaLab, medialab_of

PATH = "/api/upload/blob"
S3 = {
    "kind": "s3", "endpoint": "https://s3.example.com", "region": "eu-central-1", "bucket": "films", "access_key": "AK",
    "secret_key": "secret-of-s3",
}  # fmt: skip
AZURE = {
    "kind": "azure",
    "account_url": "https://films.blob.core.windows.net",
    "container": "raw",
    "credential": "c2VjcmV0" * 8,
}


@pytest_asyncio.fixture
async def api(gateway: Gateway) -> MediaLab:
    return medialab_of(gateway)


async def linked(api: MediaLab, settings: dict[str, str], tenant_id: str | None = None) -> str:
    token = new_operator_token()
    async with api.gateway.service.outbox.database.transaction() as connection:
        await OperatorStore(connection).insert_token(key_hash(token), "test")
    body = {"name": "Films", "tenant_id": tenant_id or str(api.gateway.tenant.id), "settings": settings}
    headers = {"Authorization": f"Bearer {token}"}
    response = await api.gateway.http.request("POST", "/platform/v1/containers", json=body, headers=headers)
    assert response.status == 201, await response.text()
    return str((await response.json())["id"])


@pytest.mark.parametrize("path", [PATH, "/upload/blob"])
@pytest.mark.parametrize("settings", [S3, AZURE], ids=["s3", "azure"])
async def test_an_object_of_a_container_is_registered(api: MediaLab, settings: dict[str, str], path: str) -> None:
    # M-06
    container_id = await linked(api, settings)
    folder = (await api.ok("POST", "/api/folders/0", json={"name": "f"}))["folder_id"]
    key = "2026/Käse & Brot?.mp4"

    body = await api.ok("POST", path, json={"container_id": container_id, "key": key, "folder_id": folder})

    [event], [fetch] = await api.registered(), await api.gateway.emitted(FetchRequested)
    assert body == {"status": "success", "file_id": str(event.upload_id)}
    assert (event.dialect, event.transfer, event.file_name) == ("medialab", "fetched", "Käse & Brot?.mp4")
    assert event.object_key == f"files/{event.upload_id}/original.mp4"
    assert (fetch.upload_id, fetch.staging_key) == (event.upload_id, event.staging_key)
    assert unquote(fetch.source_url) == f"blob:{container_id}/{key}"
    reached = CONTAINER.validate_json(SecretBox(SECRET_KEY).open(fetch.container_encrypted))
    expected = S3Container.model_validate(settings) if settings is S3 else AzureContainer.model_validate(settings)
    assert reached == expected
    assert not any(secret in fetch.model_dump_json() for secret in ("secret-of-s3", "c2VjcmV0c2Vj"))
    [file] = (await api.ok("GET", f"/api/folders/{folder}/contents"))["files"]
    assert file == {"file_id": body["file_id"], "title": "Käse & Brot?.mp4", "folder_id": folder, "size": None}


@pytest.mark.parametrize(
    ("key", "name", "extension"),
    [
        ("a/photo\u202egpj.exe", "photogpj.exe", ".exe"),
        ("a.b/c\\d.mp4\u202c", "d.mp4", ".mp4"),
        ("folder.d/", "folder.d", ".d"),
    ],
)
async def test_its_name_keeps_only_what_a_name_may(api: MediaLab, key: str, name: str, extension: str) -> None:
    # M-06
    title = "My\u202e title"
    await api.ok("POST", PATH, json={"container_id": await linked(api, S3), "key": key, "title": title})
    [event] = await api.registered()
    assert (event.file_name, event.object_key) == (name, f"files/{event.upload_id}/original{extension}")
    [file] = (await api.ok("GET", "/api/folders/0/contents"))["files"]
    assert file["title"] == "My title"


async def test_forms_and_titles_are_taken(api: MediaLab) -> None:
    # M-06
    container_id = await linked(api, S3)
    await api.ok("POST", PATH, data={"container_id": container_id, "key": "a/b.mp4", "title": "A title"})
    [file] = (await api.ok("GET", "/api/folders/0/contents"))["files"]
    assert file["title"] == "A title"


async def test_a_container_of_another_tenant_is_none(api: MediaLab) -> None:
    foreign = await linked(api, S3, tenant_id=str(await _other_tenant(api)))
    for container_id in (foreign, str(uuid4())):
        response = await api.call("POST", PATH, json={"container_id": container_id, "key": "a"})
        await api.refused(response, 404, "container_not_found")
    assert await api.registered() == []


async def _other_tenant(api: MediaLab) -> Any:
    from tests.contract.dialects.conftest import add_tenant

    tenant, _ = await add_tenant(api.gateway.service)
    return tenant.id


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"key": ""}, "key"), ({"key": "ä" * 513}, "key"), ({"key": "../private/a"}, "key"), ({"key": "a/./b"}, "key"),
        ({"key": "a\\..\\..\\private"}, "key"), ({"container_id": "x"}, "container_id"),
        ({"surprise": 1}, "surprise"), ({"title": "x" * 256}, "title"), ({"folder_id": -1}, "folder_id"),
    ],
    ids=lambda value: str(value)[:40],
)  # fmt: skip
async def test_a_field_that_says_nothing_is_refused_by_name(api: MediaLab, changes: dict[str, Any], name: str) -> None:
    body = {"container_id": await linked(api, S3), "key": "a.mp4"} | changes
    description = await api.refused(await api.call("POST", PATH, json=body), 400, "invalid_request")
    assert name in description


async def test_an_unknown_folder_and_a_blocked_tenant_are_refused(api: MediaLab) -> None:
    body = {"container_id": await linked(api, S3), "key": "a.mp4"}
    await api.refused(await api.call("POST", PATH, json=body | {"folder_id": 10**12}), 404, "folder_not_found")
    await api.gateway.sql("UPDATE tenants SET storage_blocked_at = now() WHERE id = $1", api.gateway.tenant.id)
    await api.refused(await api.call("POST", PATH, json=body), 403, "storage_blocked")
    await api.refused(await api.call("POST", PATH, json=body, token=None), 401, "invalid_token")
