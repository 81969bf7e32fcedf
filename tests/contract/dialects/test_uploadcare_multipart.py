"""Multipart uploads of the Uploadcare API (U-14 to U-23, U-43), on both stores."""

import asyncio
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
import pytest_asyncio

from contracts.events import FileDeleteRequested, UploadAbortRequested, UploadFinishRequested, UploadRegistered
from libs.object_store.port import ObjectStore
from services.gateway.store import ProjectUploadStore
from tests.contract.dialects.conftest import Gateway
from tests.contract.dialects.uploadcare import MIB, PNG, Request, Uploadcare, is_uuid, uploadcare_of

SIZE = 11 * MIB
PART = 5 * MIB
CONTENT = bytes(range(256)) * (SIZE // 256)


@pytest_asyncio.fixture
async def api(gateway: Gateway) -> Uploadcare:
    return await uploadcare_of(gateway)


async def started(api: Uploadcare, *fields: tuple[str, str]) -> tuple[str, list[str]]:
    body = await api.ok(api.start(*fields))
    assert set(body) == {"uuid", "parts"}
    assert is_uuid(body["uuid"])
    return body["uuid"], body["parts"]


async def put_all(api: Uploadcare, parts: list[str], content: bytes = CONTENT, chunk: int = PART) -> None:
    """In whatever order."""
    pieces = [content[start : start + chunk] for start in range(0, len(content), chunk)]
    statuses = await asyncio.gather(*(api.put(url, piece) for url, piece in reversed(list(zip(parts, pieces, strict=False)))))
    assert set(statuses) == {200}


async def test_a_file_in_parts_is_an_upload(api: Uploadcare) -> None:
    # U-14, U-16, U-20, U-21, U-22, U-23
    upload_id, parts = await started(api, ("filename", "/var/x/\u202eIMG-0412_123.JPG"), ("content_type", "image/jpeg"))
    assert len(parts) == 3
    event = await api.registered(upload_id)
    assert (event.transfer, event.transcode, event.file_name) == ("multipart", False, "IMG-0412_123.JPG")
    assert (event.constraints.size_bytes, event.constraints.content_type) == (SIZE, "image/jpeg")
    assert event.multipart_id

    await put_all(api, parts)
    info = await api.ok(api.complete(upload_id))

    assert info == {
        "uuid": upload_id, "file_id": upload_id, "size": SIZE, "total": SIZE, "done": SIZE, "mime_type": "image/jpeg",
        "original_filename": "IMG-0412_123.JPG", "filename": "IMG0412_123.JPG", "image_info": None, "video_info": None,
        "content_info": None, "metadata": {}, "is_image": False, "is_stored": False, "is_ready": False,
    }  # fmt: skip
    [finish] = await api.gateway.emitted(UploadFinishRequested)
    assert str(finish.upload_id) == upload_id
    assert await api.bytes_of(event.staging_key) == CONTENT


async def test_parts_go_straight_to_the_store_for_a_day(api: Uploadcare) -> None:
    # U-15, part 2.4: URLs live 86400 s
    upload_id, parts = await started(api)
    event = await api.registered(upload_id)
    assert event.url_expires_at - event.registered_at == timedelta(seconds=86_400)
    assert event.deadline_at > event.url_expires_at
    for number, url in enumerate(parts, start=1):
        target = urlsplit(url)
        assert target.scheme in ("http", "https") and target.netloc
        assert target.path.endswith(event.staging_key)
        assert "X-Amz-Expires=86400" in target.query
        assert f"partNumber={number}&" in f"{target.query}&"


async def test_options_are_as_in_direct_uploads(api: Uploadcare) -> None:
    # U-19
    upload_id, _ = await started(api, ("UPLOADCARE_STORE", "1"), ("metadata[pet]", "cat"))
    assert (await api.registered(upload_id)).file_expires_at is None
    upload_id, _ = await started(api, ("UPLOADCARE_STORE", "0"))
    event = await api.registered(upload_id)
    assert event.file_expires_at == event.registered_at + timedelta(hours=24)


async def test_from_ten_megabytes_on(api: Uploadcare) -> None:
    # U-14, U-E56
    await started(api, ("size", "10485760"))
    for size in ("10485759", "1", "0", "-5"):
        await api.refused("U-E56", api.start(("size", size)), 10485760)


async def test_the_size_must_not_exceed_the_projects_cap(api: Uploadcare) -> None:
    # U-17, U-E55
    await api.change(max_file_size_bytes=SIZE)
    await started(api)
    await api.refused("U-E55", api.start(("size", str(SIZE + 1))))


async def test_the_size_is_a_number(api: Uploadcare) -> None:
    # U-16, U-E60
    for size in ("big", "1e8", "11534336.0", "0x1000000", "9" * 30, "١١٥٣٤٣٣٦"):
        await api.refused("U-E60", api.start(("size", size)))


async def test_what_is_required_is_named(api: Uploadcare) -> None:
    # U-16, U-E63
    for name in ("filename", "size", "content_type"):
        await api.refused("U-E63", api.start((name, "")), name)
        without = [field for field in api.start().fields if field[0] != name]
        await api.refused("U-E63", Request("/multipart/start/", fields=without), name)


async def test_parts_have_the_size_that_was_asked_for(api: Uploadcare) -> None:
    # U-18, U-20
    for size, part_size, count in ((SIZE, 5242880, 3), (SIZE, SIZE, 1), (SIZE, SIZE - 1, 2), (SIZE, 5368709120, 1)):
        _, parts = await started(api, ("size", str(size)), ("part_size", str(part_size)))
        assert len(parts) == count
    assert len((await started(api, ("size", str(10 * MIB))))[1]) == 2


async def test_a_part_size_has_limits(api: Uploadcare) -> None:
    # U-18, U-E57, U-E58, U-E59
    for part_size in ("big", "5e6", "5242880.5"):
        await api.refused("U-E57", api.start(("part_size", part_size)))
    await api.refused("U-E58", api.start(("part_size", "5368709121")), 5368709120)
    for part_size in ("5242879", "0", "-1"):
        await api.refused("U-E59", api.start(("part_size", part_size)), 5242880)


async def test_more_parts_than_the_store_takes_are_refused_with_the_size_that_would_do(make_gateway: Any) -> None:
    # U-E59, 5.4.3
    api = await uploadcare_of(await make_gateway(gateway_max_upload_bytes=2**40), max_file_size_bytes=2**40)
    size = 5242880 * 10_000
    _, parts = await started(api, ("size", str(size)))
    assert len(parts) == len(set(parts)) == 10_000
    await api.refused("U-E59", api.start(("size", str(size + 1))), 5242881)
    await api.refused("U-E59", api.start(("size", str(2 * size)), ("part_size", "5242880")), 10485760)


async def test_a_part_may_have_any_type_and_come_twice(api: Uploadcare) -> None:
    # U-21
    upload_id, parts = await started(api)
    for content_type in ("application/json", "application/x-www-form-urlencoded"):
        assert await api.put(parts[0], CONTENT[:PART], content_type) == 200
    await put_all(api, parts)
    await api.ok(api.complete(upload_id))
    assert await api.bytes_of((await api.registered(upload_id)).staging_key) == CONTENT


async def test_larger_parts_than_asked_for_leave_urls_over(api: Uploadcare) -> None:
    # wire fact 10: pyuploadcare with a chunk size of its own
    upload_id, parts = await started(api)
    await put_all(api, parts, chunk=8 * MIB)
    await api.ok(api.complete(upload_id))
    assert await api.bytes_of((await api.registered(upload_id)).staging_key) == CONTENT


async def test_completing_needs_the_id_of_such_an_upload(api: Uploadcare) -> None:
    # U-22, U-E53, U-E54, U-E66
    await api.refused("U-E53", Request("/multipart/complete/", fields=[api.key("UPLOADCARE_PUB_KEY")]))
    await api.refused("U-E53", api.complete(""))
    for uuid in ("me", "0" * 32, "{67947755-1584-4e3f-902b-d4e2bf76a841}"):
        await api.refused("U-E66", api.complete(uuid))
    await api.refused("U-E54", api.complete("67947755-1584-4e3f-902b-d4e2bf76a841"))
    await api.refused("U-E54", api.complete(await api.upload()))
    upload_id, _ = await started(api)
    other = await uploadcare_of(api.gateway)
    await other.refused("U-E54", other.complete(upload_id))


async def test_too_little_or_too_much_is_not_the_file(api: Uploadcare) -> None:
    # U-43, U-E61, U-E62
    upload_id, parts = await started(api)
    await api.refused("U-E62", api.complete(upload_id))
    await put_all(api, parts[:2], CONTENT[: 2 * PART])
    await api.refused("U-E62", api.complete(upload_id))
    await put_all(api, parts)
    await api.ok(api.complete(upload_id))

    upload_id, parts = await started(api)
    await put_all(api, parts, CONTENT + b"x")
    await api.refused("U-E61", api.complete(upload_id))


async def test_parts_that_are_too_small_do_not_make_a_file(api: Uploadcare) -> None:
    # U-43, U-E52
    upload_id, parts = await started(api)
    for url, piece in zip(parts, (CONTENT[:MIB], CONTENT[MIB : 6 * MIB], CONTENT[6 * MIB :]), strict=True):
        assert await api.put(url, piece) == 200
    response = await api.send(api.complete(upload_id))
    if response.status != 200:  # the store's own rule; where it takes small parts, so do we
        await api.refused("U-E52", api.complete(upload_id))


async def test_what_the_store_will_not_join_is_told(api: Uploadcare, monkeypatch: pytest.MonkeyPatch) -> None:
    # U-43, U-E52
    upload_id, parts = await started(api)
    await put_all(api, parts)
    event = await api.registered(upload_id)
    assert event.multipart_id is not None
    await api.gateway.store.abort_multipart(event.staging_key, event.multipart_id)
    await api.refused("U-E52", api.complete(upload_id))


async def test_an_upload_is_completed_once(api: Uploadcare) -> None:
    # U-43, U-E51, 5.4.14
    upload_id, parts = await started(api)
    await put_all(api, parts)
    responses = await asyncio.gather(*(api.send(api.complete(upload_id)) for _ in range(4)))

    statuses = sorted(response.status for response in responses)
    assert statuses[0] == 200
    assert set(statuses[1:]) <= {400, 503}  # the tests' S3 server knows no second completion at the same moment: try again
    assert len(await api.gateway.emitted(UploadFinishRequested)) == 1
    await api.refused("U-E51", api.complete(upload_id))
    await api.accepted(upload_id, SIZE)
    await api.refused("U-E51", api.complete(upload_id))


async def test_a_crash_between_the_stores_end_and_ours_is_healed_by_the_next_try(
    api: Uploadcare, monkeypatch: pytest.MonkeyPatch
) -> None:
    # U-43
    upload_id, parts = await started(api)
    await put_all(api, parts)

    async def die(*_args: object) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr(ProjectUploadStore, "finish", die)
        assert (await api.send(api.complete(upload_id))).status == 500
    assert await api.gateway.emitted(UploadFinishRequested) == []

    assert (await api.ok(api.complete(upload_id)))["uuid"] == upload_id
    assert len(await api.gateway.emitted(UploadFinishRequested)) == 1


async def test_what_was_noticed_and_promoted_before_the_end_was_written_can_still_be_completed(api: Uploadcare) -> None:
    # U-43: the staged object is gone by then
    upload_id, parts = await started(api)
    await put_all(api, parts)
    event = await api.registered(upload_id)
    store: ObjectStore = api.gateway.store
    assert event.multipart_id is not None
    joined = await store.list_parts(event.staging_key, event.multipart_id)
    await store.complete_multipart(event.staging_key, event.multipart_id, joined)
    await store.delete([event.staging_key])
    await api.accepted(upload_id, SIZE)

    assert (await api.ok(api.complete(upload_id)))["size"] == SIZE


async def test_what_was_promoted_before_anybody_was_told_can_still_be_completed(api: Uploadcare) -> None:
    # U-43: the staged object is gone, and no event has come yet
    upload_id, parts = await started(api)
    await put_all(api, parts)
    event = await api.registered(upload_id)
    store: ObjectStore = api.gateway.store
    assert event.multipart_id is not None
    joined = await store.list_parts(event.staging_key, event.multipart_id)
    await store.complete_multipart(event.staging_key, event.multipart_id, joined)
    staged = await store.stat(event.staging_key)
    assert staged is not None
    await store.promote(staged, event.object_key)
    await store.delete([event.staging_key])

    assert (await api.ok(api.complete(upload_id)))["size"] == SIZE


async def test_an_upload_that_is_over_cannot_be_completed(api: Uploadcare) -> None:
    # U-E30, U-E54, U-E79, U-E80
    upload_id, _ = await started(api)
    await api.rejected(upload_id, "size_mismatch")
    await api.refused("U-E30", api.complete(upload_id))
    upload_id, _ = await started(api)
    await api.rejected(upload_id, "infected", "Eicar")
    await api.refused("U-E79", api.complete(upload_id), "Eicar")
    upload_id, _ = await started(api)
    await api.rejected(upload_id, "type_forbidden")
    await api.refused("U-E80", api.complete(upload_id))
    upload_id, _ = await started(api)
    await api.gateway.sql("UPDATE uploads SET state = 'EXPIRED', version = 3 WHERE id = $1", (await api.registered()).upload_id)
    await api.refused("U-E54", api.complete(upload_id))


async def test_types_are_judged_by_declaration_and_bytes(api: Uploadcare) -> None:
    # U-E80, U-45
    await api.change(allowed_types=("image/*",))
    await api.refused("U-E80", api.start(("content_type", "video/mp4")))

    for content, is_allowed in ((b"words " * MIB * 2, False), (PNG + bytes(SIZE), True)):
        upload_id, parts = await started(api, ("content_type", "image/png"))
        await put_all(api, parts, content[:SIZE])
        if is_allowed:
            await api.ok(api.complete(upload_id))
            continue
        response = await api.send(api.complete(upload_id))
        assert (await response.json())["error"]["error_code"] == "FileTypeForbiddenError"
        assert [str(event.upload_id) for event in await api.gateway.emitted(UploadAbortRequested)] == [upload_id]
        await api.refused("U-E54", api.complete(upload_id))


async def test_a_type_is_judged_even_where_the_bytes_were_promoted_meanwhile(api: Uploadcare) -> None:
    # U-E80: a completion that joined the parts, and then died or is slow, opens no way around the project's types
    await api.change(allowed_types=("image/*",))
    upload_id, parts = await started(api, ("content_type", "image/png"))
    await put_all(api, parts, (b"words " * MIB * 2)[:SIZE])
    event = await api.registered(upload_id)
    store: ObjectStore = api.gateway.store
    assert event.multipart_id is not None
    joined = await store.list_parts(event.staging_key, event.multipart_id)
    await store.complete_multipart(event.staging_key, event.multipart_id, joined)
    staged = await store.stat(event.staging_key)
    assert staged is not None
    await store.copy(event.staging_key, event.object_key, match_etag=staged.etag)
    await store.delete([event.staging_key])
    await api.accepted(upload_id, SIZE)

    response = await api.send(api.complete(upload_id))

    assert (await response.json())["error"]["error_code"] == "FileTypeForbiddenError"
    assert [str(event.upload_id) for event in await api.gateway.emitted(FileDeleteRequested)] == [upload_id]
    await api.refused("U-E54", api.complete(upload_id))


async def test_a_refused_start_opens_nothing(api: Uploadcare) -> None:
    # U-16
    await api.refused("U-E11", Request("/multipart/start/", fields=[*api.start().fields, ("metadata[a]", "")]), "a")
    assert await api.gateway.open_multiparts() == []
    assert await api.gateway.emitted(UploadRegistered) == []
