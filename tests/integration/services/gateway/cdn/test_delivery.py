"""Uploadcare's CDN addresses: which files lie there, under which spellings, and how results are kept (U-05)."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from contracts.events import FileDeleted, FileExpired, Stage
from contracts.ids import UploadId
from libs.object_store.port import ObjectStore, delete_prefix
from libs.sandbox.output import Finished
from libs.sandbox.preloaded import PreloadedPrograms
from services.gateway.files import soon
from services.gateway.files.image import OUT_OF, ImageMaker, Made
from services.gateway.store import UploadStore
from tests.integration.services.gateway.cdn.picture import decoded, encoded, halves
from tests.integration.services.gateway.cdn.test_images import published, refused

if TYPE_CHECKING:
    from tests.integration.services.gateway.faces.conftest import Gateway

PHOTO = encoded(halves())


async def status_of(gateway: "Gateway", path: str) -> int:
    async with gateway.client.get(path) as response:
        return response.status


async def keys(store: ObjectStore, prefix: str) -> list[str]:
    return [found.key async for page in store.list(prefix) for found in page]


class Counted:
    """Counts how often images are really made; may hold that up."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.times = 0
        self.begun = asyncio.Event()
        self.may_go_on = asyncio.Event()
        self.may_go_on.set()
        make = ImageMaker.make

        async def counted(maker: ImageMaker, source: Path, *args: object, **options: object) -> Made:
            self.times += 1
            self.begun.set()
            await self.may_go_on.wait()
            return await make(maker, source, *args, **options)  # type: ignore[arg-type]

        monkeypatch.setattr(ImageMaker, "make", counted)


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Counted:
    return Counted(monkeypatch)


async def test_a_file_is_delivered_as_it_is_under_all_its_addresses(gateway: "Gateway") -> None:  # U-05
    file_id = await published(gateway, PHOTO)
    for path in (f"/{file_id}", f"/{file_id}/", f"/{file_id}/my%20photo.jpg", f"/{file_id}/a"):
        async with gateway.client.get(path) as response:
            assert (response.status, response.content_type) == (200, "image/jpeg")
            assert await response.read() == PHOTO
            assert response.headers["Content-Disposition"].startswith("inline; filename=")
    assert 'filename="a"' in response.headers["Content-Disposition"]
    for path in (f"/{file_id}/photo%E2%80%AEgpj.exe", f"/{file_id}/-/preview/photo%E2%80%AEgpj.exe"):
        async with gateway.client.head(path) as response:
            assert (response.status, response.headers["Content-Disposition"]) == (200, 'inline; filename="photogpj.exe"')
    async with gateway.client.head(f"/{file_id}/") as response:
        assert (response.status, response.headers["Content-Length"]) == (200, str(len(PHOTO)))
    async with gateway.client.get(f"/{file_id}/", headers={"Range": "bytes=1-3"}) as response:
        assert (response.status, await response.read()) == (206, PHOTO[1:4])


@pytest.mark.parametrize("operations", ["", "-/preview/10x10/"])
async def test_who_asks_right_after_the_upload_gets_the_file_once_it_is_verified(
    gateway: "Gateway", operations: str, monkeypatch: pytest.MonkeyPatch
) -> None:  # U-05
    looked = asyncio.Event()

    def pauses() -> Iterator[float]:
        yield 0
        looked.set()
        yield from itertools.repeat(0.01, 3000)

    monkeypatch.setattr(soon, "PAUSES", pauses())
    new = await gateway.register(await gateway.tenant(uuid4().hex), "uploadcare", content_type="image/jpeg")

    asked = asyncio.create_task(status_of(gateway, f"/{new.id}/{operations}"))
    await looked.wait()
    await gateway.completed(new, PHOTO)

    assert await asked == 200


async def test_only_kept_files_of_that_api_are_there(gateway: "Gateway", monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(soon, "PAUSES", (0,))
    tenant = await gateway.tenant(uuid4().hex)
    pending = await gateway.register(tenant, "uploadcare")
    foreign = await gateway.published(tenant, PHOTO, dialect="eachlabs")
    late = await gateway.published(
        tenant, PHOTO, dialect="uploadcare", file_expires_at=datetime.now(UTC) - timedelta(seconds=1)
    )
    unready = await gateway.register(tenant, "uploadcare")
    await gateway.completed(unready, PHOTO)
    for upload, status in ((pending, 404), (foreign, 404), (late, 404), (unready, 200)):
        for path in (f"/{upload.id}/", f"/{upload.id}/a.jpg", f"/{upload.id}/-/preview/", f"/{upload.id}/-/preview/a.jpg"):
            assert await status_of(gateway, path) == status, path
    assert await refused(gateway, f"/{uuid4()}/-/preview/") == (404, "File not found.")


async def test_addresses_that_are_nearly_right_are_not_there(gateway: "Gateway") -> None:
    file_id = str(await published(gateway, PHOTO))
    shapes = (
        f"/{file_id.upper()}/", f"/{file_id[:-1]}/", f"/{file_id}0/", f"/x{file_id}/", f"/{file_id}~/", f"/{file_id}~0/nth/0/",
        f"/{file_id}~1/nth/0/", f"/{file_id}~1/nth/-1/", f"/{file_id}~1/nth/99999/", f"/{file_id}~01/nth/0/", f"/{file_id}/a/b",
         f"/{file_id}~1/", f"/{file_id.replace('-', '')}/", "/-/preview/",
        f"/public/{file_id}", f"/renditions/{file_id}/x",
    )  # fmt: skip
    for path in shapes:
        assert await status_of(gateway, path) == 404, path


async def test_other_apis_keep_their_addresses(gateway: "Gateway") -> None:
    for path, status in (("/openapi.json", 200), ("/platform/v1/uploads", 401), ("/v2/media", 403), ("/api/v1/uploads", 405)):
        assert await status_of(gateway, path) == status, path


async def test_a_result_is_made_once_and_then_kept(gateway: "Gateway", counted: Counted) -> None:
    file_id = await published(gateway, PHOTO)
    same = ("resize/100x/", "resize/100x", "resize/0100x/photo.jpg", "stretch/on/-/resize/100x/-/quality/normal/")
    for operations in same:
        async with gateway.client.get(f"/{file_id}/-/{operations}") as response:
            assert (response.status, decoded(await response.read()).size) == (200, (100, 50))
    assert counted.times == 1
    assert len(await keys(gateway.store, f"files/{file_id}/derived/")) == 1
    assert await status_of(gateway, f"/{file_id}/-/resize/101x/") == 200
    assert counted.times == 2


async def test_only_so_many_images_of_a_file_are_kept(open_gateway: Callable[..., Awaitable["Gateway"]]) -> None:
    gateway = await open_gateway(gateway_image_max_variants=2)
    file_id = await published(gateway, PHOTO)
    for width in (100, 101, 102, 100):
        assert await status_of(gateway, f"/{file_id}/-/resize/{width}x/") == 200
        assert len(await keys(gateway.store, f"files/{file_id}/derived/")) <= 2


async def test_a_result_is_as_good_a_file_as_any(gateway: "Gateway") -> None:
    file_id = await published(gateway, PHOTO)
    path = f"/{file_id}/-/resize/100x/-/format/png/"
    async with gateway.client.head(path) as response:
        assert response.status == 200
        etag, size = response.headers["ETag"], int(response.headers["Content-Length"])
        assert response.headers["Content-Disposition"] == f'inline; filename="{file_id}.png"'
        assert response.headers["Content-Security-Policy"] == "sandbox; default-src 'none'"
        assert response.headers["Access-Control-Allow-Origin"] == "*"
        assert response.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert etag.startswith('"')
    async with gateway.client.get(path) as response:
        whole = await response.read()
        assert (len(whole), response.headers["ETag"]) == (size, etag)
    conditions: list[tuple[dict[str, str], int]] = [
        ({"If-None-Match": etag}, 304),
        ({"If-Match": '"other"'}, 412),
        ({"Range": "bytes=5-9"}, 206),
        ({"Range": "bytes=99999-"}, 416),
        ({"Range": "bytes=5-9", "If-Range": '"other"'}, 200),
    ]
    for headers, status in conditions:
        async with gateway.client.get(path, headers=headers) as response:
            assert (response.status, response.headers["Access-Control-Allow-Origin"]) == (status, "*")
            assert "Content-Range" in response.headers["Access-Control-Expose-Headers"]
            if status == 206:
                assert await response.read() == whole[5:10]
    async with gateway.client.options(path, headers={"Origin": "https://page.test"}) as response:
        assert response.status == 204
    async with gateway.client.post(path) as response:
        assert (response.status, response.headers["Allow"]) == (405, "GET, HEAD, OPTIONS")


async def test_twenty_who_ask_at_once_are_one_computation(gateway: "Gateway", counted: Counted) -> None:
    file_id = await published(gateway, PHOTO)
    counted.may_go_on.clear()
    asking = [asyncio.create_task(status_of(gateway, f"/{file_id}/-/resize/100x/-/quality/best/")) for _ in range(20)]
    await counted.begun.wait()
    counted.may_go_on.set()

    assert await asyncio.gather(*asking) == [200] * 20
    assert counted.times == 1


async def test_more_than_may_wait_are_asked_to_come_back(
    open_gateway: Callable[..., Awaitable["Gateway"]], counted: Counted
) -> None:
    gateway = await open_gateway(gateway_image_jobs=1, gateway_image_queue=0)
    file_id = await published(gateway, PHOTO)
    counted.may_go_on.clear()
    first = asyncio.create_task(status_of(gateway, f"/{file_id}/-/resize/1x/"))
    await counted.begun.wait()
    async with gateway.client.get(f"/{file_id}/-/resize/2x/") as response:
        assert (response.status, response.content_type) == (503, "text/plain")
        assert int(response.headers["Retry-After"]) > 0
    counted.may_go_on.set()
    assert await first == 200
    assert await status_of(gateway, f"/{file_id}/-/resize/2x/") == 200


async def test_what_was_refused_is_not_tried_again_at_once(gateway: "Gateway", counted: Counted) -> None:
    file_id = await published(gateway, PHOTO[:200])
    answers = [await refused(gateway, f"/{file_id}/-/preview/") for _ in range(3)]
    assert answers == [(400, "The image is damaged or in a variant that cannot be processed.")] * 3
    assert counted.times == 1


async def test_limits_of_time_memory_and_size_hold(open_gateway: Callable[..., Awaitable["Gateway"]]) -> None:
    photo = encoded(halves((3000, 2000)))
    limits: list[tuple[dict[str, float], str]] = [
        ({"gateway_image_max_seconds": 0.05}, OUT_OF.format("time")),
        ({"gateway_image_max_pixels": 10**6}, "The image is too large: at most 1 megapixels are processed."),
        ({"gateway_image_max_source_bytes": 1000}, "The file is too large: images of up to 0 MiB are processed."),
        ({"gateway_image_max_result_bytes": 1000}, "The result would be larger than a result may be."),
    ]
    for settings, reason in limits:
        gateway = await open_gateway(**settings)
        file_id = await published(gateway, photo)
        assert await refused(gateway, f"/{file_id}/-/preview/") == (400, reason)
        assert await keys(gateway.store, f"files/{file_id}/derived/") == []
    gateway = await open_gateway(gateway_image_max_memory_bytes=120 << 20)
    file_id = await published(gateway, encoded(halves((4000, 3000)), "BMP"))
    assert await refused(gateway, f"/{file_id}/-/preview/") == (400, OUT_OF.format("memory"))


async def test_a_removed_file_takes_its_images_with_it(gateway: "Gateway") -> None:
    tenant = await gateway.tenant(uuid4().hex)
    uploads = [await gateway.published(tenant, PHOTO, dialect="uploadcare") for _ in range(3)]
    for upload in uploads:
        assert await status_of(gateway, f"/{upload.id}/-/resize/100x/") == 200
    given_up, deleted, expired = uploads
    async with gateway.outbox.database.transaction() as connection:
        await UploadStore(connection).give_up(given_up.id, datetime.now(UTC))
    about = {"tenant_id": tenant.id, "version": Stage.REMOVED}
    await gateway.happened(FileDeleted(upload_id=deleted.id, **about), FileExpired(upload_id=expired.id, **about))
    for upload in uploads:
        for path in (f"/{upload.id}/", f"/{upload.id}/-/resize/100x/", f"/{upload.id}/-/resize/101x/"):
            assert await status_of(gateway, path) == 404
        await delete_prefix(gateway.store, f"files/{upload.id}/")  # as the session service does
        assert await keys(gateway.store, f"files/{upload.id}/") == []


async def test_an_image_made_while_its_file_was_removed_is_not_kept(gateway: "Gateway", counted: Counted) -> None:
    file_id = await published(gateway, PHOTO)
    counted.may_go_on.clear()
    asking = asyncio.create_task(status_of(gateway, f"/{file_id}/-/resize/100x/"))
    await counted.begun.wait()
    async with gateway.outbox.database.transaction() as connection:
        await UploadStore(connection).give_up(file_id, datetime.now(UTC))
    await delete_prefix(gateway.store, f"files/{file_id}/")
    counted.may_go_on.set()

    assert await asking == 404
    assert await keys(gateway.store, f"files/{file_id}/") == []


async def test_a_child_that_was_killed_is_nobodys_fault(gateway: "Gateway", monkeypatch: pytest.MonkeyPatch) -> None:
    file_id = await published(gateway, PHOTO)

    async def killed(_programs: PreloadedPrograms, *_arguments: object, **_options: object) -> Finished:
        return Finished(-9, b"", "")

    with monkeypatch.context() as patched:
        patched.setattr(PreloadedPrograms, "run", killed)
        assert (await refused(gateway, f"/{file_id}/-/preview/"))[0] == 503
    assert await status_of(gateway, f"/{file_id}/-/preview/") == 200


async def test_the_original_gone_midway_is_not_found(gateway: "Gateway") -> None:
    file_id = await published(gateway, PHOTO)
    await delete_prefix(gateway.store, f"files/{file_id}/")
    assert await refused(gateway, f"/{file_id}/-/preview/") == (404, "There is no such file.")


async def test_files_of_a_group_are_found_by_their_place(gateway: "Gateway") -> None:
    first, second = await published(gateway, PHOTO), await published(gateway, encoded(halves((40, 80))))
    group = await grouped(gateway, (first, ""), (second, "resize/20x/"))
    async with gateway.client.get(f"/{group}~2/") as response:
        base_url = "http://127.0.0.1:8080"
        assert await response.text() == f"{base_url}/{group}~2/nth/0/\n{base_url}/{group}~2/nth/1/\n"
    async with gateway.client.get(f"/{group}~2/nth/0/") as response:
        assert (response.status, await response.read()) == (200, PHOTO)
    expected = [
        ("nth/0/-/resize/100x/", (100, 50)), ("nth/1/", (20, 40)), ("nth/1/a.jpg", (20, 40)), ("nth/1/-/crop/5x5/", (5, 5)),
        ("nth/0/-/preview/100x100/photo.jpg", (100, 50)),
    ]  # fmt: skip
    for path, size in expected:
        for tilde in ("~", "%7E"):
            async with gateway.client.get(f"/{group}{tilde}2/{path}") as response:
                assert (response.status, decoded(await response.read()).size) == (200, size)
    for path in (f"/{group}~2/nth/2/", f"/{group}~1/nth/0/", f"/{group}~3/nth/0/", f"/{uuid4()}~2/nth/0/", f"/{group}~3/"):
        assert await status_of(gateway, path) == 404


async def grouped(gateway: "Gateway", *files: tuple[UploadId, str]) -> str:
    group = uuid4()
    async with gateway.outbox.database.transaction() as connection:
        await connection.execute("INSERT INTO groups VALUES ($1, $2, now())", group, uuid4())
        for position, (upload_id, effects) in enumerate(files):
            await connection.execute("INSERT INTO group_files VALUES ($1, $2, $3, $4)", group, position, upload_id, effects)
    return str(group)
