"""`/api/upload/remote` of the MediaLab API, on both stores. That ingest fetches what is asked for is in its own tests."""

from io import BytesIO
from typing import Any

import pytest
import pytest_asyncio

from contracts.events import FetchCompleted, FetchFailed, FetchRequested, Stage, UploadRejected
from tests.contract.dialects.conftest import Gateway
from tests.contract.dialects.medialab import MediaLab, medialab_of

SOURCE = "http://93.184.216.34/videos/IMG-1.mp4?size=full"
PATH = "/api/upload/remote"


@pytest_asyncio.fixture
async def api(gateway: Gateway) -> MediaLab:
    return medialab_of(gateway)


@pytest.mark.parametrize("path", [PATH, "/upload/remote"])
async def test_a_url_is_fetched(api: MediaLab, path: str) -> None:
    # M-05
    folder = (await api.ok("POST", "/api/folders/0", json={"name": "f"}))["folder_id"]

    body = await api.ok("POST", path, json={"url": SOURCE, "folder_id": folder, "title": "A title"})

    [event], [fetch] = await api.registered(), await api.gateway.emitted(FetchRequested)
    assert body == {"status": "success", "file_id": str(event.upload_id)}
    assert (event.dialect, event.transfer, event.transcode) == ("medialab", "fetched", True)
    assert (fetch.upload_id, fetch.source_url, fetch.staging_key) == (event.upload_id, SOURCE, event.staging_key)
    assert fetch.max_size_bytes == event.constraints.max_size_bytes
    [file] = (await api.ok("GET", f"/api/folders/{folder}/contents"))["files"]
    assert file == {"file_id": body["file_id"], "title": "A title", "folder_id": folder, "size": None}


@pytest.mark.parametrize("url", [f"\t{SOURCE} ", "http://93.184.216.34/my%2Ffile (1).mp4?a=%7e"])
async def test_a_pasted_url_is_kept_as_it_is_spelled(api: MediaLab, url: str) -> None:
    # M-05
    await api.ok("POST", PATH, json={"url": url})
    [fetch] = await api.gateway.emitted(FetchRequested)
    assert fetch.source_url == url.strip()


async def test_its_file_appears_under_the_name_that_the_source_tells(api: MediaLab) -> None:
    # M-05
    file_id = (
        await api.ok(
            "POST", PATH, data=BytesIO(f"url={SOURCE}".encode()), headers={"Content-Type": "application/x-www-form-urlencoded"}
        )
    )["file_id"]
    await api.gateway.handle(
        FetchCompleted(
            **api.gateway.about(file_id),
            version=Stage.REGISTERED,
            size_bytes=1000,
            file_name="IMG-1.mp4",
            content_type="video/mp4",
        )
    )
    await api.gateway.complete(file_id)

    [file] = (await api.ok("GET", "/api/folders/0/contents"))["files"]
    assert (file["title"], file["size"]) == ("IMG-1.mp4", 1000)
    shown = await (await api.gateway.call("GET", f"/platform/v1/uploads/{file_id}")).json()
    assert shown["state"] == "COMPLETED"


async def test_what_cannot_be_fetched_is_told_by_the_platform(api: MediaLab) -> None:
    file_id = (await api.ok("POST", PATH, json={"url": SOURCE}))["file_id"]
    about = api.gateway.about(file_id)
    await api.gateway.handle(
        FetchFailed(**about, version=Stage.REGISTERED, code="fetch_client_error", message="404 Not Found"),
        UploadRejected(**about, version=Stage.CLOSED, code="fetch_client_error", message="404 Not Found"),
    )

    shown = await (await api.gateway.call("GET", f"/platform/v1/uploads/{file_id}")).json()
    assert (shown["state"], shown["error"]["code"]) == ("REJECTED", "fetch_client_error")
    assert (await api.ok("GET", "/api/folders/0/contents"))["files"] == []


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.com/a", "example.com/a", "http://", "http:///a", "http://127.0.0.1/a", "http://[::1]/a", "http://10.0.0.1/",
        "http://169.254.169.254/latest/meta-data", "http://0x7f.1/", "http://localhost/a", "http://u:p@93.184.216.34/",
        "http://93.184.216.34:22/", "http://a b/", "file:///etc/passwd",
    ],
)  # fmt: skip
async def test_an_address_inside_is_refused(api: MediaLab, url: str) -> None:
    await api.refused(await api.call("POST", PATH, json={"url": url}), 400, "invalid_url")
    assert await api.registered() == []


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ({}, "url"), ({"url": ""}, "url"), ({"url": 5}, "url"), ({"url": "http://a/" + "x" * 2048}, "url"),
        ({"url": SOURCE, "title": "x" * 256}, "title"), ({"url": SOURCE, "folder_id": "x"}, "folder_id"),
        ({"url": SOURCE, "surprise": 1}, "surprise"),
    ],
    ids=lambda value: str(value)[:40],
)  # fmt: skip
async def test_a_field_that_says_nothing_is_refused_by_name(api: MediaLab, body: dict[str, Any], name: str) -> None:
    assert name in await api.refused(await api.call("POST", PATH, json=body), 400, "invalid_request")


async def test_an_unknown_folder_is_refused(api: MediaLab) -> None:
    await api.refused(await api.call("POST", PATH, json={"url": SOURCE, "folder_id": 10**12}), 404, "folder_not_found")


async def test_a_blocked_tenant_fetches_nothing(api: MediaLab) -> None:
    await api.gateway.sql("UPDATE tenants SET storage_blocked_at = now() WHERE id = $1", api.gateway.tenant.id)

    await api.refused(await api.call("POST", PATH, json={"url": SOURCE}), 403, "storage_blocked")
