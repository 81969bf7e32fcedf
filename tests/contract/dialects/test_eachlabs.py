"""The eachlabs API, row by row (E-01 to E-22), as far as one service shows it; the whole chain is in the end-to-end tests."""

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID, uuid4

from yarl import URL

from contracts.events import (
    FileDeleteRequested,
    FileExpired,
    ProcessingFailed,
    Stage,
    UploadAborted,
    UploadAbortRequested,
    UploadEvent,
    UploadExpired,
    UploadRegistered,
    UploadRejected,
)
from tests.contract.dialects.conftest import BASE_URL, Gateway, add_tenant
from tests.contract.dialects.faces import eachlabs_message

PATH = "/api/v1/uploads"


async def created(gateway: Gateway, **fields: Any) -> dict[str, Any]:
    body = {"owner": gateway.tenant.org, "uploader": "customer", **fields}
    response = await gateway.call("POST", PATH, json=body)
    answer: dict[str, Any] = await response.json()
    assert response.status == 200, answer
    return answer


async def refusal(gateway: Gateway, status: int = 400, **fields: Any) -> str:
    """The message with which this body is refused; nothing is registered by it."""
    body = {"owner": gateway.tenant.org, "uploader": "customer", **fields}
    response = await gateway.call("POST", PATH, json={name: value for name, value in body.items() if value is not ...})
    answer = await response.json()
    assert response.status == status, answer
    assert await gateway.emitted(UploadRegistered) == []
    assert answer["code"] == {400: "BAD_REQUEST", 401: "UNAUTHORIZED"}[status]
    return eachlabs_message(answer, status)


async def shown(gateway: Gateway, upload_id: str) -> dict[str, Any]:
    response = await gateway.call("GET", f"{PATH}/{upload_id}")
    answer: dict[str, Any] = await response.json()
    assert response.status == 200, answer
    return answer


async def test_the_published_example_passes(gateway: Gateway) -> None:
    # E-01, E-10, E-14, E-16, E-17
    answer = await created(gateway, file_type="audio", content_type="audio/mp4", audio_duration_seconds=1008.32)

    upload_id = answer["id"]
    assert UUID(upload_id).version == 7
    assert set(answer) == {"id", "upload_url", "public_url", "expires_at", "status", "required_headers"}
    assert answer["status"] == "PENDING"
    assert answer["public_url"] == f"{BASE_URL}/public/{upload_id}.m4a"
    assert urlsplit(answer["upload_url"]).path.endswith(".m4a")
    assert answer["required_headers"] == {
        "Content-Type": "audio/mp4",
        "x-amz-meta-file-id": upload_id,
        "x-amz-meta-expires-at": answer["expires_at"],
        "x-amz-meta-audio-duration-seconds": "1008.32",
        "x-amz-tagging": "uploader=customer&ttl_days=30",
    }


async def test_a_put_to_the_url_with_an_extension_is_stored(gateway: Gateway) -> None:
    # E-15, E-17
    answer = await created(gateway, file_type="image", content_type="image/svg+xml; charset=utf-8")

    [event] = await gateway.emitted(UploadRegistered)
    assert urlsplit(answer["upload_url"]).path.endswith(event.staging_key)
    assert event.staging_key.endswith(".svg")
    target = URL(gateway.here(answer["upload_url"]), encoded=True)
    async with gateway.http.session.put(target, data=b"<svg/>", headers=answer["required_headers"]) as response:
        assert response.status == 200
    stored = await gateway.store.stat(event.staging_key)
    assert stored is not None
    assert (stored.size_bytes, stored.content_type) == (6, "image/svg+xml; charset=utf-8")


async def test_the_upload_url_takes_one_put_within_fifteen_minutes(gateway: Gateway) -> None:
    # E-11
    answer = await created(gateway)

    query = parse_qs(urlsplit(answer["upload_url"]).query)
    [event] = await gateway.emitted(UploadRegistered)
    assert query["X-Amz-Expires"] == ["900"]
    assert event.url_expires_at - event.registered_at == timedelta(minutes=15)
    assert event.deadline_at > event.url_expires_at


async def test_every_required_header_is_signed(gateway: Gateway) -> None:
    # E-15, E-16
    answer = await created(
        gateway, file_type="video", content_type="video/mp4", video_duration_seconds=12, video_bitrate_kbps=2500.5
    )

    headers = answer["required_headers"]
    [signed] = parse_qs(urlsplit(answer["upload_url"]).query)["X-Amz-SignedHeaders"]
    assert set(signed.split(";")) == {"host", *(name.lower() for name in headers)}
    # E-08, E-09, 5.4.8
    assert headers["x-amz-meta-video-duration-seconds"] == "12"
    assert headers["x-amz-meta-video-bitrate-kbps"] == "2500.5"


async def test_the_file_is_kept_for_thirty_days(gateway: Gateway) -> None:
    # E-13
    answer = await created(gateway)

    expires_at = datetime.strptime(answer["expires_at"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    [event] = await gateway.emitted(UploadRegistered)
    assert event.file_expires_at == expires_at
    assert timedelta(0) <= timedelta(days=30) - (expires_at - event.registered_at) < timedelta(seconds=1)


async def test_the_retention_of_the_settings_shows_in_the_tag(make_gateway: Callable[..., Any]) -> None:
    gateway = await make_gateway(gateway_retention_seconds=86400 + 1)

    answer = await created(gateway)

    assert answer["required_headers"]["x-amz-tagging"] == "uploader=customer&ttl_days=2"


async def test_without_a_content_type_the_put_declares_bytes(gateway: Gateway) -> None:
    # E-04, E-05
    answer = await created(gateway)

    assert answer["required_headers"]["Content-Type"] == "application/octet-stream"
    assert answer["public_url"] == f"{BASE_URL}/public/{answer['id']}"
    assert (await shown(gateway, answer["id"]))["file_type"] == "other"


async def test_the_owner_has_the_form_of_an_organization(gateway: Gateway) -> None:
    # E-02
    assert await refusal(gateway, owner=...) == "owner is required"
    for owner in ("", "org-", "acme", "ORG-x", "org-a b", f"org-{'x' * 200}", " org-x"):
        assert "owner" in await refusal(gateway, owner=owner)


async def test_the_owner_is_the_organization_of_the_key(gateway: Gateway) -> None:
    # 5.2.5
    assert "organization" in await refusal(gateway, 401, owner="org-someone-else")


async def test_the_uploader_is_the_customer(gateway: Gateway) -> None:
    # E-03
    assert await refusal(gateway, uploader=...) == "uploader is required"
    for uploader in ("Customer", "", "admin"):
        assert "uploader" in await refusal(gateway, uploader=uploader)


async def test_a_file_type_is_one_of_four(gateway: Gateway) -> None:
    # E-04
    for file_type in ("document", "VIDEO", ""):
        assert "file_type" in await refusal(gateway, file_type=file_type)
    for file_type in ("image", "video", "audio", "other"):
        assert (await created(gateway, file_type=file_type))["status"] == "PENDING"


async def test_an_unsupported_content_type_is_refused(gateway: Gateway) -> None:
    # E-05, E-18
    for content_type in ("video", "x/y", "application/x-msdownload", "video/mp4\r\nX: y", "vidéo/mp4", "", "a" * 300):
        assert "content_type" in await refusal(gateway, content_type=content_type)


async def test_a_content_type_fits_the_file_type(gateway: Gateway) -> None:
    assert "does not fit" in await refusal(gateway, file_type="image", content_type="video/mp4")
    assert (await created(gateway, file_type="image", content_type="image/PNG; q=1"))["public_url"].endswith(".png")


async def test_durations_belong_to_their_file_type(gateway: Gateway) -> None:
    # E-07, E-08, E-09
    assert "only with file_type audio" in await refusal(gateway, audio_duration_seconds=1)
    assert "only with file_type audio" in await refusal(gateway, file_type="video", audio_duration_seconds=1)
    for field in ("video_duration_seconds", "video_bitrate_kbps"):
        assert "only with file_type video" in await refusal(gateway, file_type="audio", **{field: 1})


async def test_a_duration_is_a_number(gateway: Gateway) -> None:
    # E-07
    values: tuple[object, ...] = ("5", True, -1, -0.5, 1e13, [], {})
    for value in values:
        assert "audio_duration_seconds" in await refusal(gateway, file_type="audio", audio_duration_seconds=value)
    answer = await created(gateway, file_type="audio", audio_duration_seconds=0)
    assert answer["required_headers"]["x-amz-meta-audio-duration-seconds"] == "0"


async def test_every_wrong_field_is_in_the_details(gateway: Gateway) -> None:
    # E-21
    response = await gateway.call("POST", PATH, json={"uploader": "x", "file_type": 5})

    answer = await response.json()
    assert set(answer["details"]) == {"owner", "uploader", "file_type"}
    assert answer["request_id"] == response.headers["X-Request-Id"]


async def test_the_request_id_is_the_callers_trace(gateway: Gateway) -> None:
    # E-21
    headers = {"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}

    response = await gateway.call("POST", PATH, role=None, headers=headers)

    assert (await response.json())["request_id"] == "4bf92f3577b34da6a3ce929d0e0e4736"


async def test_the_callback_travels_with_the_registration(make_gateway: Callable[..., Any]) -> None:
    # E-06
    gateway = await make_gateway(egress_allow="127.0.0.0/8")

    pasted = " http://127.0.0.1:9999/my%2Fhook 1?a=b%3d\n"
    answer = await created(gateway, content_type="image/png", file_type="image", callback_url=pasted)

    [event] = await gateway.emitted(UploadRegistered)
    assert (event.callback.url, event.callback.format) == (pasted.strip(), "eachlabs")
    assert set(event.callback.view) == {
        "id", "public_url", "expires_at", "owner", "uploader", "file_type", "content_type", "created_at", "renditions_url"
    }  # fmt: skip
    assert event.callback.view["renditions_url"] == f"{BASE_URL}/renditions/{answer['id']}/"
    view = await shown(gateway, answer["id"])
    assert all(view[name] == value for name, value in event.callback.view.items() if name in view)


async def test_a_callback_to_a_private_address_is_refused(gateway: Gateway) -> None:
    for url in ("http://127.0.0.1/", "http://[::1]/", "http://169.254.169.254/x", "http://0x7f000001/", "http://localhost/"):
        assert "not public" in await refusal(gateway, callback_url=url)
    for url in ("ftp://example.com/", "example.com", "", "http://", "http://u:p@example.com/", "http://a b/", "x" * 3000):
        assert "callback_url" in await refusal(gateway, callback_url=url)


async def test_an_expired_url_means_a_new_upload(gateway: Gateway) -> None:
    # E-22
    first, second = await created(gateway), await created(gateway)

    assert first["id"] != second["id"]


async def test_the_status_follows_the_upload(gateway: Gateway) -> None:
    # E-14, part 2.3
    answer = await created(gateway, file_type="video", content_type="video/mp4")
    statuses = [(await shown(gateway, answer["id"]))["status"]]
    stored, completed = gateway.completion(answer["id"], size_bytes=1000, content_type="video/mp4")
    for event in (stored, completed):
        await gateway.handle(event)
        statuses.append((await shown(gateway, answer["id"]))["status"])
    await gateway.process(answer["id"])

    view = await shown(gateway, answer["id"])
    assert [*statuses, view["status"]] == ["PENDING", "UPLOADED", "PROCESSING", "COMPLETED"]
    assert view["size"] == 1000
    assert view["public_url"] == answer["public_url"]
    assert view["expires_at"] == answer["expires_at"]
    assert view["error"] is None
    assert view["renditions"] == [
        {
            "name": "thumbnail.jpg",
            "kind": "thumbnail",
            "url": f"{BASE_URL}/renditions/{answer['id']}/thumbnail.jpg",
            "content_type": "image/jpeg",
            "width": 320,
            "height": 180,
        }
    ]


async def test_each_end_of_an_upload_has_its_status(gateway: Gateway) -> None:
    ends: dict[type[UploadEvent], tuple[str, dict[str, Any]]] = {
        UploadRejected: ("FAILED", {"version": Stage.CLOSED, "code": "size_mismatch", "message": "It is too long."}),
        ProcessingFailed: ("FAILED", {"version": Stage.PROCESSED, "code": "unreadable_media", "message": "It is broken."}),
        UploadExpired: ("EXPIRED", {"version": Stage.CLOSED}),
        FileExpired: ("EXPIRED", {"version": Stage.REMOVED}),
        UploadAborted: ("DELETED", {"version": Stage.CLOSED, "reason": "client"}),
    }
    for event_class, (status, fields) in ends.items():
        upload_id = (await created(gateway))["id"]
        await gateway.handle(event_class(**gateway.about(upload_id), **fields))

        view = await shown(gateway, upload_id)
        assert view["status"] == status
        expected = {"code": fields["code"], "message": fields["message"]} if "code" in fields else None
        assert view["error"] == expected


async def test_the_public_url_serves_the_file_only_after_processing(gateway: Gateway) -> None:
    # E-12
    answer = await created(gateway, file_type="image", content_type="image/png")
    await gateway.store.write(f"files/{answer['id']}/original.png", _chunks(b"pixels"), content_type="image/png")
    path = urlsplit(answer["public_url"]).path
    before = [(await gateway.http.get(path)).status]
    await gateway.complete(answer["id"], size_bytes=6, content_type="image/png")
    before.append((await gateway.http.get(path)).status)
    await gateway.process(answer["id"], mime_type="image/png")

    response = await gateway.http.get(path)

    assert before == [404, 404]
    assert (response.status, await response.read()) == (200, b"pixels")


async def test_an_upload_of_another_tenant_is_not_there(gateway: Gateway) -> None:
    upload_id = (await created(gateway))["id"]
    _, keys = await add_tenant(gateway.service)

    for method in ("GET", "DELETE"):
        response = await gateway.call(method, f"{PATH}/{upload_id}", role=None, key=keys["admin"])
        assert response.status == 404
        assert (await response.json())["code"] == "NOT_FOUND"


async def test_what_is_not_a_uuid_is_a_bad_request(gateway: Gateway) -> None:
    for text in (
        "x",
        "550e8400",
        "550e8400e29b41d4a716446655440000",
        "{550e8400-e29b-41d4-a716-446655440000}",
        "%C3%A4",
        "%FF",
    ):
        for method in ("GET", "DELETE"):
            response = await gateway.call(method, f"{PATH}/{text}")
            assert response.status == 400, text
            assert (await response.json())["code"] == "BAD_REQUEST"


async def test_a_pending_upload_is_aborted_by_its_deletion(gateway: Gateway) -> None:
    upload_id = (await created(gateway))["id"]

    assert (await gateway.call("DELETE", f"{PATH}/{upload_id}")).status == 204
    assert (await gateway.call("DELETE", f"{PATH}/{upload_id}")).status == 204

    [event] = await gateway.emitted(UploadAbortRequested)
    assert (str(event.upload_id), event.reason) == (upload_id, "client")
    assert (await shown(gateway, upload_id))["status"] == "DELETED"


async def test_a_file_is_not_deleted_while_it_is_processed(gateway: Gateway) -> None:
    upload_id = (await created(gateway))["id"]
    await gateway.complete(upload_id)

    response = await gateway.call("DELETE", f"{PATH}/{upload_id}")

    assert response.status == 409
    assert (await response.json())["code"] == "CONFLICT"
    assert await gateway.emitted(FileDeleteRequested) == []


async def test_a_deleted_file_is_gone_at_once(gateway: Gateway) -> None:
    answer = await created(gateway, file_type="image", content_type="image/png")
    upload_id = answer["id"]
    await gateway.store.write(f"files/{upload_id}/original.png", _chunks(b"pixels"), content_type="image/png")
    await gateway.complete(upload_id, size_bytes=6, content_type="image/png")
    await gateway.process(upload_id, mime_type="image/png")

    assert (await gateway.call("DELETE", f"{PATH}/{upload_id}")).status == 204

    assert (await gateway.http.get(urlsplit(answer["public_url"]).path)).status == 404
    assert len(await gateway.emitted(FileDeleteRequested)) == 1
    await gateway.remove(upload_id)
    assert (await gateway.call("DELETE", f"{PATH}/{upload_id}")).status == 204
    assert (await shown(gateway, upload_id))["status"] == "DELETED"
    assert (await shown(gateway, upload_id))["renditions"] == []


async def test_an_unknown_upload_cannot_be_deleted(gateway: Gateway) -> None:
    assert (await gateway.call("DELETE", f"{PATH}/{uuid4()}")).status == 404


async def test_only_editors_delete_and_everybody_reads(gateway: Gateway) -> None:
    upload_id = (await created(gateway))["id"]

    statuses = {role: (await gateway.call("DELETE", f"{PATH}/{upload_id}", role=role)).status for role in ("viewer", "render")}

    assert statuses == {"viewer": 403, "render": 403}
    assert (await gateway.call("GET", f"{PATH}/{upload_id}", role="viewer")).status == 200
    assert (await gateway.call("GET", f"{PATH}/{upload_id}", role=None)).status == 401


async def test_a_deletion_that_crosses_the_completion_still_removes_the_file(gateway: Gateway) -> None:
    upload_id = (await created(gateway))["id"]
    await gateway.call("DELETE", f"{PATH}/{upload_id}")

    await gateway.complete(upload_id)

    [event] = await gateway.emitted(FileDeleteRequested)
    assert str(event.upload_id) == upload_id


async def _chunks(content: bytes) -> AsyncIterator[bytes]:
    yield content
