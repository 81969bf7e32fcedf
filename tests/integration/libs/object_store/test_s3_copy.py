"""The S3 adapter's own promises about copies: how many requests, errors of status 200, ignored conditions, large objects."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest
from aiohttp import web

from libs.object_store import s3_copy
from libs.object_store.port import ObjectChangedError, ObjectInfo, ObjectNotFoundError, StoreUnavailableError
from libs.object_store.s3 import S3Store
from tests.integration.libs.object_store.s3_answers import error, talking_to, xml

AT = datetime(2026, 11, 25, 12, tzinfo=UTC)
STAGED = ObjectInfo("staging/1/a b", 6, "judged", AT, "text/plain")
TARGET = "files/1/original.txt"
GIB = 1024**3


@dataclass
class Service:
    """Objects by key, with an ETag and a size each."""

    honours_conditions: bool = True
    keeps_etags: bool = True
    objects: dict[str, tuple[str, int]] = field(default_factory=lambda: {STAGED.key: (STAGED.etag, STAGED.size_bytes)})
    requests: list[tuple[str, str]] = field(default_factory=list)
    copies: list[dict[str, str]] = field(default_factory=list)
    before_copy: Callable[[], object] = lambda: None
    errors: list[str] = field(default_factory=list)
    """What the next copies answer instead, with status 200."""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        key = request.path.removeprefix("/bucket/")
        await request.read()
        self.requests.append((request.method, key))
        if request.method == "HEAD":
            return self._head(key)
        if "x-amz-copy-source" in request.headers:
            return self._copy(request, key)
        if "uploads" in request.query:
            return xml("<Result><UploadId>id</UploadId></Result>")
        if request.method == "DELETE":
            return web.Response(status=204)
        self.objects[key] = ("whole-1", STAGED.size_bytes)
        return xml("<CompleteMultipartUploadResult><ETag>whole-1</ETag></CompleteMultipartUploadResult>")

    def _head(self, key: str) -> web.Response:
        if key not in self.objects:
            return web.Response(status=404)
        etag, size = self.objects[key]
        headers = {"ETag": f'"{etag}"', "Content-Length": str(size), "Content-Type": "text/plain", "x-amz-meta-id": "7"}
        return web.Response(headers=headers | {"Last-Modified": "Wed, 25 Nov 2026 12:00:00 GMT"})

    def _copy(self, request: web.Request, key: str) -> web.Response:
        self.before_copy()
        if self.errors:
            return error(self.errors.pop(0))
        self.copies.append(dict(request.headers))
        assert request.headers["x-amz-copy-source"].startswith("/bucket/staging/1/a%20b")
        if STAGED.key not in self.objects:
            return error("NoSuchKey", 404)
        etag, size = self.objects[STAGED.key]
        if self.honours_conditions and request.headers["x-amz-copy-source-if-match"] != f'"{etag}"':
            return error("PreconditionFailed", 412)
        copied = etag if self.keeps_etags else "other"
        if "partNumber" not in request.query:
            self.objects[key] = (copied, size)
        modified = "<LastModified>2026-11-25T12:00:01.500Z</LastModified>"
        return xml(f"<CopyObjectResult>{modified}<ETag>&quot;{copied}&quot;</ETag></CopyObjectResult>")


@asynccontextmanager
async def store_of(service: Service) -> AsyncIterator[S3Store]:
    async with talking_to(service.answer) as store:
        store._copier.is_condition_honoured = service.honours_conditions
        yield store


@pytest.mark.parametrize("content_type", [None, "text/plain"])
@pytest.mark.parametrize("keeps_etags", [True, False])
async def test_a_promotion_is_one_request(content_type: str | None, keeps_etags: bool) -> None:
    service = Service(keeps_etags=keeps_etags)
    async with store_of(service) as store:
        promoted = await store.promote(STAGED, TARGET, content_type=content_type)
    assert service.requests == [("PUT", TARGET)]
    assert "x-amz-metadata-directive" not in service.copies[0]
    etag = STAGED.etag if keeps_etags else "other"
    at = datetime(2026, 11, 25, 12, 0, 1, 500_000, tzinfo=UTC)
    assert promoted == ObjectInfo(TARGET, 6, etag, at, "text/plain")


async def test_another_type_keeps_the_metadata() -> None:
    service = Service()
    async with store_of(service) as store:
        promoted = await store.promote(STAGED, TARGET, content_type="image/png")
    assert service.requests == [("HEAD", STAGED.key), ("PUT", TARGET)]
    [copy] = service.copies
    assert (copy["x-amz-metadata-directive"], copy["Content-Type"], copy["x-amz-meta-id"]) == ("REPLACE", "image/png", "7")
    assert (promoted.content_type, promoted.metadata) == ("image/png", {"id": "7"})


async def test_a_store_that_ignores_conditions_is_asked_before() -> None:
    service = Service(honours_conditions=False)
    service.objects[STAGED.key] = ("swapped", 6)
    async with store_of(service) as store:
        with pytest.raises(ObjectChangedError):
            await store.promote(STAGED, TARGET)
    assert service.copies == []
    assert TARGET not in service.objects


@pytest.mark.parametrize("keeps_etags", [True, False])
async def test_a_version_that_comes_in_during_the_copy_is_not_taken_for_the_judged_one(keeps_etags: bool) -> None:
    service = Service(honours_conditions=False, keeps_etags=keeps_etags)
    service.before_copy = lambda: service.objects.update({STAGED.key: ("swapped", 6)})
    async with store_of(service) as store:
        with pytest.raises(ObjectChangedError):
            await store.promote(STAGED, TARGET)
        service.objects = {STAGED.key: (STAGED.etag, 6)}
        with pytest.raises(ObjectChangedError):
            await store.copy(STAGED.key, TARGET, match_etag=STAGED.etag)


async def test_what_a_store_that_ignores_conditions_has_copied_is_proved_by_its_etag() -> None:
    service = Service(honours_conditions=False)
    async with store_of(service) as store:
        await store.promote(STAGED, TARGET)
    assert service.requests == [("HEAD", STAGED.key), ("PUT", TARGET)]


@pytest.mark.parametrize("left", [None, ("swapped", 6)])
async def test_a_promotion_that_was_done_before_is_found_out(left: tuple[str, int] | None) -> None:
    service = Service()
    async with store_of(service) as store:
        await store.promote(STAGED, TARGET)
        service.objects = {TARGET: service.objects[TARGET]} | ({STAGED.key: left} if left else {})
        again = await store.promote(STAGED, TARGET)
    assert (again.key, again.size_bytes, again.etag) == (TARGET, 6, STAGED.etag)


@pytest.mark.parametrize(("found", "raised"), [(None, ObjectNotFoundError), (("swapped", 6), ObjectChangedError)])
async def test_a_target_of_another_size_is_not_what_was_staged(found: tuple[str, int] | None, raised: type[Exception]) -> None:
    service = Service(objects={TARGET: ("other", 7)} | ({STAGED.key: found} if found else {}))
    async with store_of(service) as store:
        with pytest.raises(raised):
            await store.promote(STAGED, TARGET)


@pytest.mark.parametrize("code", ["InternalError", "SlowDown"])
async def test_an_error_in_an_answer_of_status_200_is_asked_for_again(code: str) -> None:
    service = Service(errors=[code])
    async with store_of(service) as store:
        assert (await store.promote(STAGED, TARGET)).etag == STAGED.etag
    assert service.requests == [("PUT", TARGET)] * 2


async def test_an_error_in_an_answer_of_status_200_is_none_of_success() -> None:
    service = Service(errors=["AccessDenied"])
    async with store_of(service) as store:
        with pytest.raises(StoreUnavailableError):
            await store.promote(STAGED, TARGET)
    assert TARGET not in service.objects


# Beyond S3's limit for one copy


@pytest.fixture
def small_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_copy, "COPY_LIMIT_BYTES", 5)
    monkeypatch.setattr(s3_copy, "COPY_PART_BYTES", 4)


@pytest.mark.usefixtures("small_limits")
async def test_a_large_object_is_copied_in_parts_of_the_same_version() -> None:
    service = Service()
    async with store_of(service) as store:
        promoted = await store.promote(STAGED, TARGET)
    assert sorted(copy["x-amz-copy-source-range"] for copy in service.copies) == ["bytes=0-3", "bytes=4-5"]
    assert {copy["x-amz-copy-source-if-match"] for copy in service.copies} == {'"judged"'}
    assert (promoted.key, promoted.size_bytes, promoted.etag) == (TARGET, 6, "whole-1")
    assert (promoted.content_type, promoted.metadata) == ("text/plain", {"id": "7"})


@pytest.mark.usefixtures("small_limits")
@pytest.mark.parametrize("honours_conditions", [True, False])
async def test_a_large_object_that_was_swapped_meanwhile_is_not_promoted(honours_conditions: bool) -> None:
    service = Service(honours_conditions=honours_conditions)
    service.before_copy = lambda: service.objects.update({STAGED.key: ("swapped", 6)})
    async with store_of(service) as store:
        with pytest.raises(ObjectChangedError):
            await store.promote(STAGED, TARGET)
    if honours_conditions:
        assert ("DELETE", TARGET) in service.requests
        assert TARGET not in service.objects
