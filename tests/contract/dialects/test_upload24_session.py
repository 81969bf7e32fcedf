"""Upload24: sessions for one PUT and for parts; their completion, resumption and end."""

from datetime import timedelta
from typing import Any

import pytest

from contracts.events import (
    FileDeleteRequested,
    PublicationRequested,
    Stage,
    UploadAbortRequested,
    UploadExpired,
    UploadFinishRequested,
)
from services.gateway.dialects.upload24 import completion
from tests.contract.dialects.conftest import Gateway
from tests.contract.dialects.upload24 import MIB, VIDEO, Upload24, refused, together

PARTS = {1: b"a" * 5 * MIB, 2: b"b" * 5 * MIB, 3: b"c" * MIB}


@pytest.fixture
def api(gateway: Gateway) -> Upload24:
    return Upload24(gateway)


async def put_parts(api: Upload24, session: dict[str, Any], *numbers: int) -> list[dict[str, Any]]:
    urls = {part["partNumber"]: part["url"] for part in session["parts"]}
    done = []
    for number in numbers:
        status, etag = await api.put(urls[number], PARTS[number])
        assert status == 200
        done.append({"partNumber": number, "eTag": etag})
    return done


# ---------------------------------------------------------------- one PUT


async def test_a_session_for_one_put(api: Upload24) -> None:
    # T-08, T-26, T-27, T-28
    session = await api.presign()

    assert set(session) == {"sessionToken", "fileId", "uploadUrl", "expiresAt", "sessionExpiresAt", "requiredHeaders"}
    assert session["requiredHeaders"] == {"Content-Type": "video/mp4"}
    registered = await api.registered()
    assert (registered.transfer, str(registered.upload_id)) == ("single_put", session["fileId"])
    assert registered.url_expires_at - registered.registered_at == timedelta(hours=1)  # 5.4.10
    assert (await api.put(session["uploadUrl"], VIDEO))[0] == 200
    done = await api.complete(session["sessionToken"])
    assert done == {"uploadId": session["fileId"], "fileId": session["fileId"], "status": "Processing"}
    assert await api.bytes_of(registered.staging_key) == VIDEO


async def test_the_put_carries_the_declared_type_and_size(api: Upload24) -> None:
    # T-27, 5.4.13
    session = await api.presign()
    for body, headers in ((VIDEO, {"Content-Type": "video/webm"}), (VIDEO[:-1], {}), (b"", {})):
        assert (await api.put(session["uploadUrl"], body, **headers))[0] >= 400
    assert (await api.put(session["uploadUrl"], VIDEO))[0] == 200


async def test_there_is_no_record_before_completion(api: Upload24) -> None:
    # T-10
    session = await api.presign()
    await api.put(session["uploadUrl"], VIDEO)
    await api.gateway.complete(session["fileId"], size_bytes=len(VIDEO))
    path = f"/api/upload/{session['fileId']}/status"

    await refused(await api.send("GET", path), 404, "upload_not_found")
    assert (await api.get("/uploads", auth="bearer"))["uploads"] == []
    assert await api.requested() == []

    await api.complete(session["sessionToken"])

    assert (await api.status(session["fileId"]))["status"] == "Processing"
    [requested] = await api.requested()
    assert requested.file_name == "video.mp4"
    assert len(await api.gateway.emitted(UploadFinishRequested)) == 1


async def test_without_its_file_a_session_is_not_completed(api: Upload24) -> None:
    # T-10
    session = await api.presign()
    body = {"sessionToken": session["sessionToken"], "parts": []}
    await refused(await api.send("POST", "/api/upload/complete", json=body), 409, "file_missing")
    await api.put(session["uploadUrl"], VIDEO)
    await api.complete(session["sessionToken"])


async def test_a_file_that_was_promoted_meanwhile_is_there(api: Upload24) -> None:
    # T-10
    session = await api.presign()
    await api.put(session["uploadUrl"], VIDEO)
    registered = await api.registered()
    staged = await api.gateway.store.stat(registered.staging_key)
    assert staged is not None
    await api.gateway.store.copy(registered.staging_key, registered.object_key, match_etag=staged.etag)
    await api.gateway.store.delete([registered.staging_key])

    await api.complete(session["sessionToken"])


@pytest.mark.composed
async def test_completing_again_answers_the_same(api: Upload24) -> None:
    # T-10, 5.4.14
    session = await api.presign()
    await api.put(session["uploadUrl"], VIDEO)
    first = await api.complete(session["sessionToken"])
    api.gateway.clock.offset = timedelta(days=30)
    assert await api.complete(session["sessionToken"], [{"partNumber": 1, "eTag": "x"}]) == first
    assert len(await api.requested()) == 1


async def test_many_that_complete_at_once_are_one(api: Upload24) -> None:
    # T-10, 5.4.14
    session = await api.multipart()
    parts = await put_parts(api, session, 1, 2, 3)

    done = await together(*(api.complete(session["sessionToken"], parts) for _ in range(10)))

    assert {answer["uploadId"] for answer in done} == {session["fileId"]}
    assert len(await api.requested()) == 1
    assert [await api.quota(account) for account in api.gateway.accounts] == [(0, 1), (0, 1)]


async def test_a_completion_that_died_halfway_is_completed_by_the_next(api: Upload24, monkeypatch: pytest.MonkeyPatch) -> None:
    # T-10, 5.4.14
    session = await api.multipart()
    parts = await put_parts(api, session, 1, 2, 3)
    body = {"sessionToken": session["sessionToken"], "parts": parts}
    with monkeypatch.context() as patched:
        patched.setattr(completion, "request_publication", broken)
        assert (await api.send("POST", "/api/upload/complete", json=body)).status == 500
    assert await api.requested() == []
    assert await api.gateway.store.stat((await api.registered()).staging_key) is not None

    resumed = await api.resume(session["sessionToken"])
    assert (resumed["uploadedParts"], resumed["parts"]) == ([], [])
    await api.complete(session["sessionToken"], parts)

    assert len(await api.requested()) == 1


def broken(*_values: object) -> None:
    raise ZeroDivisionError


# ---------------------------------------------------------------- parts


async def test_a_session_for_parts(api: Upload24) -> None:
    # T-09, T-10, T-27
    session = await api.multipart()

    assert set(session) == {"sessionToken", "fileId", "partSize", "parts", "expiresAt", "sessionExpiresAt"}
    assert [part["partNumber"] for part in session["parts"]] == [1, 2, 3]
    parts = await put_parts(api, session, 3, 1, 2)
    done = await api.complete(session["sessionToken"], parts)
    assert done["uploadId"] == session["fileId"]
    registered = await api.registered()
    assert registered.transfer == "multipart"
    assert await api.bytes_of(registered.staging_key) == b"".join(PARTS.values())
    [requested] = await api.requested()
    assert str(requested.upload_id) == session["fileId"]


async def test_without_a_wish_parts_have_16_mib(api: Upload24) -> None:
    # T-09
    session = await api.post("/api/upload/multipart", api.body(fileSize=2**31))
    assert (session["partSize"], len(session["parts"])) == (16 * MIB, 128)
    small = await api.post("/api/upload/multipart", api.body(fileSize=1))
    assert len(small["parts"]) == 1


@pytest.mark.parametrize("spelling", [("partNumber", "eTag"), ("PartNumber", "ETag"), ("partNumber", "etag")])
async def test_parts_may_be_spelled_as_s3_does(api: Upload24, spelling: tuple[str, str]) -> None:
    # T-09, T-10
    for quoted in (True, False):
        session = await api.multipart()
        parts = await put_parts(api, session, 1, 2, 3)
        bare = [(part["partNumber"], part["eTag"].strip('"')) for part in parts]
        number, etag = spelling
        given = [{number: n, etag: f'"{tag}"' if quoted else tag, "Size": 5} for n, tag in bare]
        await api.complete(session["sessionToken"], given)


async def test_parts_that_are_not_those_of_the_store_are_refused(api: Upload24) -> None:
    # T-10
    session = await api.multipart()
    parts = await put_parts(api, session, 1, 2, 3)
    wrong: list[list[dict[str, Any]]] = [
        [], parts[:2], parts[1:], [*parts, {"partNumber": 4, "eTag": "x"}], [*parts, parts[0]],
        [{**parts[0], "eTag": "wrong"}, *parts[1:]],
        [{"partNumber": number, "eTag": part["eTag"]} for number, part in zip((2, 1, 3), parts, strict=True)],
    ]  # fmt: skip
    for given in wrong:
        body = {"sessionToken": session["sessionToken"], "parts": given}
        await refused(await api.send("POST", "/api/upload/complete", json=body), 400, "invalid_parts")
    malformed: list[Any] = [
        None, {}, "x", [5], [{}], [{"partNumber": "1", "eTag": "x"}], [{"partNumber": 0, "eTag": "x"}], [{"partNumber": 1}],
        [{"partNumber": 10**30, "eTag": "x"}], [{"partNumber": 1, "eTag": "x"}] * 1001,
    ]  # fmt: skip
    for given_parts in malformed:
        body = {"sessionToken": session["sessionToken"], "parts": given_parts}
        await refused(await api.send("POST", "/api/upload/complete", json=body), 400, "invalid_request")
    await api.complete(session["sessionToken"], list(reversed(parts)))


async def test_the_parts_together_have_the_declared_size(api: Upload24) -> None:
    # T-15, 5.4.13
    session = await api.multipart(size=11 * MIB - 1)
    parts = await put_parts(api, session, 1, 2, 3)
    body = {"sessionToken": session["sessionToken"], "parts": parts}
    error = await refused(await api.send("POST", "/api/upload/complete", json=body), 400, "invalid_parts")
    assert error["details"] == {"uploaded": 11 * MIB, "declared": 11 * MIB - 1}


@pytest.mark.composed
async def test_an_interrupted_session_goes_on_without_sending_finished_parts_again(api: Upload24) -> None:
    # T-30
    session = await api.multipart()
    [first] = await put_parts(api, session, 2)
    api.gateway.clock.offset = timedelta(hours=2)  # its URLs are over

    resumed = await api.resume(session["sessionToken"])

    assert set(resumed) == {"fileId", "partSize", "uploadedParts", "parts", "expiresAt", "sessionExpiresAt"}
    [there] = resumed["uploadedParts"]
    assert (there["partNumber"], there["size"]) == (2, 5 * MIB)
    assert there["eTag"].strip('"') == first["eTag"].strip('"')
    assert [part["partNumber"] for part in resumed["parts"]] == [1, 3]
    api.gateway.clock.offset = timedelta()
    fresh = await api.resume(session["sessionToken"])
    parts = [{"partNumber": 2, "eTag": there["eTag"]}, *await put_parts(api, fresh, 1, 3)]
    await api.complete(session["sessionToken"], parts)
    assert await api.bytes_of((await api.registered()).staging_key) == b"".join(PARTS.values())


async def test_a_part_of_another_size_is_to_be_sent_again(api: Upload24) -> None:
    # T-30
    session = await api.multipart()
    await api.put(session["parts"][0]["url"], b"short")
    assert [part["partNumber"] for part in (await api.resume(session["sessionToken"]))["parts"]] == [1, 2, 3]


async def test_only_parts_can_be_resumed(api: Upload24) -> None:
    # T-30
    session = await api.presign()
    body = {"sessionToken": session["sessionToken"]}
    await refused(await api.send("POST", "/api/upload/multipart/resume", json=body), 409, "not_multipart")


# ---------------------------------------------------------------- its end


async def test_an_aborted_session_leaves_nothing(api: Upload24) -> None:
    # T-11
    put, parts = await api.presign(), await api.multipart()
    await api.put(put["uploadUrl"], VIDEO)
    await put_parts(api, parts, 1)

    for session in (put, parts, put):
        assert await api.abort(session["sessionToken"]) == {"aborted": True}

    assert await api.staged() == []
    assert await api.gateway.open_multiparts() == []
    assert len(await api.gateway.emitted(UploadAbortRequested)) == 2
    assert await api.quota(api.gateway.accounts[0]) == (0, 0)
    for route in ("complete", "multipart/resume"):
        body = {"sessionToken": parts["sessionToken"]}
        await refused(await api.send("POST", f"/api/upload/{route}", json=body), 409, "session_aborted")
    await refused(await api.send("GET", f"/api/upload/{put['fileId']}/status"), 404, "upload_not_found")


async def test_a_file_that_was_accepted_meanwhile_is_deleted_when_its_session_is_aborted(api: Upload24) -> None:
    # T-11
    session = await api.presign()
    await api.gateway.complete(session["fileId"], size_bytes=len(VIDEO))
    await api.abort(session["sessionToken"])
    assert len(await api.gateway.emitted(FileDeleteRequested)) == 1


async def test_a_completed_session_is_not_aborted(api: Upload24) -> None:
    # T-11
    session = await api.presign()
    await api.put(session["uploadUrl"], VIDEO)
    await api.complete(session["sessionToken"])
    for route, code in (("abort", "session_completed"), ("multipart/resume", "session_completed")):
        body = {"sessionToken": session["sessionToken"]}
        await refused(await api.send("POST", f"/api/upload/{route}", json=body), 409, code)
    assert (await api.status(session["fileId"]))["status"] == "Processing"


async def test_completion_and_abort_at_the_same_time_agree(api: Upload24) -> None:
    # T-10, T-11
    for _ in range(5):
        session = await api.presign()
        await api.put(session["uploadUrl"], VIDEO)
        body = {"sessionToken": session["sessionToken"]}
        calls = [api.send("POST", f"/api/upload/{route}", json=body) for route in ("complete", "abort", "complete", "abort")]
        answers = await together(*calls)
        completed = {response.status for response in answers[::2]}
        aborted = {response.status for response in answers[1::2]}
        if aborted == {200}:
            assert completed == {409}
        else:
            assert (completed, aborted) == ({200}, {409})


async def test_tokens_that_nobody_was_given_open_nothing(api: Upload24) -> None:
    session = await api.presign()
    for token in ("x", session["fileId"], session["sessionToken"][:-1], session["sessionToken"] + "x", "🎬"):
        for route in ("complete", "abort", "multipart/resume"):
            response = await api.send("POST", f"/api/upload/{route}", json={"sessionToken": token})
            await refused(response, 404, "session_not_found")
    for body in ({}, {"sessionToken": None}, {"sessionToken": ""}, {"sessionToken": 5}, {"sessionToken": "x" * 201}):
        for route in ("complete", "abort", "multipart/resume"):
            await refused(await api.send("POST", f"/api/upload/{route}", json=body), 400, "invalid_request")


async def test_tokens_are_stored_hashed(api: Upload24) -> None:
    session = await api.presign()
    async with api.gateway.service.outbox.database.connection() as connection:
        rows = await connection.fetch("SELECT s.*, u.view FROM submissions s JOIN uploads u ON u.id = s.upload_id")
    assert session["sessionToken"] not in str([dict(row) for row in rows])
    assert session["sessionToken"] not in str([event.model_dump() for event in await api.gateway.emitted(PublicationRequested)])


@pytest.mark.composed
async def test_a_session_that_nobody_completes_expires(api: Upload24) -> None:
    # T-11
    put, parts, done = await api.presign(), await api.multipart(), await api.uploaded()
    api.gateway.clock.offset = timedelta(hours=23)
    await api.expire()
    assert await api.quota(api.gateway.accounts[0]) == (0, 3)
    api.gateway.clock.offset = timedelta(hours=25)
    for session in (put, parts):
        body = {"sessionToken": session["sessionToken"]}
        await refused(await api.send("POST", "/api/upload/complete", json=body), 410, "session_expired")

    await api.expire()

    assert await api.quota(api.gateway.accounts[0]) == (0, 1)
    given_up = {str(event.upload_id) for event in await api.gateway.emitted(UploadAbortRequested)}
    assert given_up == {put["fileId"], parts["fileId"]}
    for session in (put, parts):
        body = {"sessionToken": session["sessionToken"]}
        await refused(await api.send("POST", "/api/upload/complete", json=body), 410, "session_expired")
    api.gateway.clock.offset = timedelta()
    assert (await api.status(done))["status"] == "Processing"


async def test_an_upload_that_the_session_service_let_expire_is_over(api: Upload24) -> None:
    # T-11
    session = await api.presign()
    await api.gateway.handle(UploadExpired(**api.gateway.about(session["fileId"]), version=Stage.CLOSED))
    body = {"sessionToken": session["sessionToken"]}
    await refused(await api.send("POST", "/api/upload/complete", json=body), 410, "session_expired")
    assert await api.quota(api.gateway.accounts[0]) == (0, 0)
    await api.abort(session["sessionToken"])
    assert await api.quota(api.gateway.accounts[0]) == (0, 0)


async def test_a_refused_session_for_parts_is_closed_in_the_store(api: Upload24) -> None:
    # T-19
    [account] = await api.linked(quota_limit=0)
    response = await api.send("POST", "/api/upload/multipart", json=api.body(accounts=[account]))
    await refused(response, 403, "quota_exceeded")
    assert await api.gateway.open_multiparts() == []
