"""`/platform/v1`: one canonical view of every upload."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from aiohttp import web
from openapi_spec_validator import validate

from contracts.events import FileExpired, ProcessingCompleted, Rendition, Stage, UploadAborted, UploadRejected
from services.gateway.platform.store import ListingStore
from services.gateway.store import UploadStore

if TYPE_CHECKING:
    from tests.integration.services.gateway.faces.conftest import Gateway

KEY = {"X-Api-Key": "key"}


async def get(gateway: "Gateway", path: str, status: int = 200, key: str = "key") -> dict[str, Any]:
    async with gateway.client.get(path, headers={"X-Api-Key": key}) as response:
        assert response.status == status
        body: dict[str, Any] = await response.json(content_type=None)
        return body


async def test_the_life_of_an_upload_is_shown_with_its_timeline(gateway: "Gateway") -> None:
    tenant = await gateway.tenant("key")
    expires_at = datetime.now(UTC) + timedelta(days=30)
    new = await gateway.register(tenant, file_expires_at=expires_at)
    path = f"/platform/v1/uploads/{new.id}"
    registered = await get(gateway, path)
    assert (registered["state"], registered["version"], registered["dialect"]) == ("REGISTERED", 1, "eachlabs")
    assert registered["file"]["url"] is None
    assert registered["file"]["mime_type"] == "image/png"
    assert datetime.fromisoformat(registered["file"]["expires_at"]) == expires_at

    await gateway.completed(new, b"bytes")
    completed = await get(gateway, path)
    assert completed["file"]["size_bytes"] == 5
    assert completed["file"]["url"] is None

    rendition = Rendition(
        name="thumbnail.jpg", kind="thumbnail", key="x", content_type="image/jpeg", size_bytes=9, width=4, height=3
    )
    await gateway.ready(new, "image/webp", (rendition,))
    await gateway.delivered(new, 1, "retrying")
    await gateway.delivered(new, 2, "delivered")
    ready = await get(gateway, path)
    assert (ready["state"], ready["version"], ready["progress_percent"]) == ("READY", 5, 100)
    assert ready["file"]["url"] == f"http://files.test/public/{new.id}.png"
    assert ready["file"]["mime_type"] == "image/webp"
    assert ready["file"]["image"]["width"] == 4
    assert [(r["name"], r["kind"], r["width"], r["url"]) for r in ready["renditions"]] == [
        ("thumbnail.jpg", "thumbnail", 4, f"http://files.test/renditions/{new.id}/thumbnail.jpg")
    ]
    assert [(d["target"], d["status"], d["attempts"]) for d in ready["deliveries"]] == [("receiver.test", "delivered", 2)]
    types = [entry["type"] for entry in ready["timeline"]]
    assert types[:2] == ["upload.registered.v1", "upload.completed.v1"]
    assert "processing.completed.v1" in types
    assert all(entry["time"] and "key" not in str(entry["summary"]) for entry in ready["timeline"])


async def test_terminal_states_have_their_canonical_names(gateway: "Gateway") -> None:
    tenant = await gateway.tenant("key")
    rejected, aborted, expired, deleted = [await gateway.register(tenant) for _ in range(4)]
    closed = {"tenant_id": tenant.id, "version": Stage.CLOSED}
    await gateway.happened(
        UploadRejected.model_validate({"upload_id": rejected.id, **closed, "code": "too_large", "message": "Too large"}),
        UploadAborted.model_validate({"upload_id": aborted.id, **closed, "reason": "replaced"}),
        FileExpired(upload_id=expired.id, tenant_id=tenant.id, version=Stage.REMOVED),
    )
    async with gateway.outbox.database.transaction() as connection:
        await UploadStore(connection).give_up(deleted.id, datetime.now(UTC))
    found = {new.id: await get(gateway, f"/platform/v1/uploads/{new.id}") for new in (rejected, aborted, expired, deleted)}
    assert [upload["state"] for upload in found.values()] == ["REJECTED", "ABORTED", "EXPIRED", "DELETED"]
    assert found[rejected.id]["error"] == {"code": "too_large", "message": "Too large"}
    for state, expected in (("REJECTED", rejected), ("ABORTED", aborted), ("EXPIRED", expired), ("DELETED", deleted)):
        page = await get(gateway, f"/platform/v1/uploads?state={state}")
        assert [upload["id"] for upload in page["uploads"]] == [str(expected.id)]
    assert (await get(gateway, "/platform/v1/uploads?state=REGISTERED"))["uploads"] == []


async def test_a_listing_is_paged_newest_first(gateway: "Gateway") -> None:
    tenant, other = await gateway.tenant("key"), await gateway.tenant("other")
    await gateway.register(other)
    ids = [str((await gateway.register(tenant)).id) for _ in range(5)]
    named = await gateway.register(tenant, "json2video", name="a.png")
    seen: list[str] = []
    path: str | None = "/platform/v1/uploads?limit=2&dialect=eachlabs"
    while path:
        page = await get(gateway, path)
        assert len(page["uploads"]) <= 2
        seen += [upload["id"] for upload in page["uploads"]]
        path = f"/platform/v1/uploads?limit=2&dialect=eachlabs&cursor={page['next_cursor']}" if page["next_cursor"] else None
    assert seen == ids[::-1]
    page = await get(gateway, "/platform/v1/uploads?dialect=json2video")
    assert [upload["id"] for upload in page["uploads"]] == [str(named.id)]


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=101",
        "limit=x",
        "state=ready",
        "dialect=x",
        "cursor=x",
        "cursor=%00",
        "cursor=AAAA",
        "cursor=" + "x" * 200,
    ],
)
async def test_wrong_parameters_are_refused(gateway: "Gateway", query: str) -> None:
    await gateway.tenant("key")
    body = await get(gateway, f"/platform/v1/uploads?{query}", 400)
    assert body["status"] == 400


@pytest.mark.parametrize("key", ["", "wrong", "k" * 5000, "ü"])
async def test_a_valid_key_is_needed(gateway: "Gateway", key: str) -> None:
    await gateway.tenant("key")
    for path in ("/platform/v1/uploads", "/platform/v1/uploads/00000000-0000-0000-0000-000000000000"):
        body = await get(gateway, path, 401, key)
        assert body["code"] == "unknown_key"


async def test_an_upload_of_another_tenant_is_not_found(gateway: "Gateway") -> None:
    await gateway.tenant("key")
    new = await gateway.register(await gateway.tenant("other"))
    for name in (str(new.id), "x", "00000000-0000-0000-0000-000000000000", "%00", "%ff"):
        body = await get(gateway, f"/platform/v1/uploads/{name}", 404)
        assert body["code"] == "not_found"


async def test_a_wait_ends_when_the_upload_moves_on(gateway: "Gateway") -> None:
    tenant = await gateway.tenant("key")
    new = await gateway.register(tenant)
    path = f"/platform/v1/uploads/{new.id}"
    assert (await get(gateway, f"{path}?wait_version=0"))["version"] == 1
    assert (await get(gateway, f"{path}?wait_version=1&wait_seconds=0"))["version"] == 1
    waiting = asyncio.create_task(get(gateway, f"{path}?wait_version=1"))
    await gateway.completed(new, b"x")
    assert (await waiting)["version"] > 1


async def test_a_wait_is_for_what_is_shown(gateway: "Gateway") -> None:
    """Processed, it says, and what the bytes are is still on its way: that is no news to whoever knows the rest."""
    new = await gateway.register(await gateway.tenant("key"))
    await gateway.completed(new, b"x")
    about = {"upload_id": new.id, "tenant_id": new.tenant_id}
    processed = ProcessingCompleted(**about, version=Stage.PROCESSED, mime_type="image/png", completed_at=datetime.now(UTC))
    await gateway.happened(processed)

    async with gateway.outbox.database.connection() as connection:
        assert await ListingStore(connection).version(new.tenant_id, new.id) == Stage.CLOSED
    path = f"/platform/v1/uploads/{new.id}"
    assert (await get(gateway, f"{path}?wait_version={Stage.CLOSED}&wait_seconds=0"))["state"] == "COMPLETED"
    waiting = asyncio.create_task(get(gateway, f"{path}?wait_version={Stage.CLOSED}"))
    await gateway.ready(new)
    assert (await waiting)["state"] == "READY"


async def test_a_wait_does_not_hold_up_a_stop(gateway: "Gateway") -> None:
    tenant = await gateway.tenant("key")
    new = await gateway.register(tenant)
    request = gateway.client.get(f"/platform/v1/uploads/{new.id}?wait_version=1", headers=KEY)
    waiting = asyncio.ensure_future(request)
    app = gateway.client.app
    assert isinstance(app, web.Application)
    await app.shutdown()
    async with await waiting as response:
        assert response.status == 200


async def test_the_document_of_these_routes_is_valid(gateway: "Gateway") -> None:
    async with gateway.client.get("/openapi.json") as response:
        document = orjson.loads(await response.read())
    validate(document)
    assert {"/platform/v1/uploads", "/public/{file_name}", "/{client_id}/files/{path}"} <= set(document["paths"])
