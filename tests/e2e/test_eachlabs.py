"""The eachlabs API, all the way, on both forms of the platform."""

from uuid import UUID

from tests.e2e.client import Client, until
from tests.e2e.receiver import Receiver


async def test_a_video_is_uploaded_transcoded_announced_and_served(client: Client, receiver: Receiver, video: bytes) -> None:
    # E-01, E-06, E-10, E-14, E-15: Given a registered video with a callback
    created = await client.register(file_type="video", content_type="video/mp4", callback_url=f"{receiver.url}/video")
    assert created["status"] == "PENDING"
    assert str(UUID(created["id"])) == created["id"]
    assert (await client.request("GET", created["public_url"])).status == 404  # E-12: nothing to read before

    # When its bytes arrive
    assert (await client.put(created, video)).status == 200

    # Then it is announced once, with what became of it
    call = await receiver.one_at("/video")
    assert call.data["event"] == "upload.completed"
    assert (call.data["id"], call.data["status"], call.data["size"]) == (created["id"], "COMPLETED", len(video))
    kinds = {rendition["kind"]: rendition["url"] for rendition in call.data["renditions"]}
    assert {"poster", "mp4", "hls_playlist"} <= kinds.keys()

    # And the same is what a poll sees
    polled = (await client.call("GET", f"/api/v1/uploads/{created['id']}")).json
    assert polled["status"] == "COMPLETED"
    assert {rendition["kind"] for rendition in polled["renditions"]} == kinds.keys()

    # And the file and its renditions are served
    original = await client.request("GET", created["public_url"])  # E-12
    assert (original.status, original.body) == (200, video)
    assert original.headers["Content-Type"] == "video/mp4"
    mp4 = await client.request("GET", kinds["mp4"])
    assert mp4.status == 200
    assert mp4.body[4:8] == b"ftyp"
    poster = await client.request("GET", kinds["poster"])
    assert poster.body[:3] == b"\xff\xd8\xff"


async def test_a_playlist_leads_to_segments_that_are_served(client: Client, video: bytes) -> None:
    created = await client.upload(video, file_type="video", content_type="video/mp4")
    upload = await client.until_terminal(created["id"])
    assert upload["state"] == "READY", upload["error"]

    master = next(rendition["url"] for rendition in upload["renditions"] if rendition["name"].endswith("master.m3u8"))
    variant = _first_entry(await _text(client, master))
    playlist = master.rpartition("/")[0] + "/" + variant
    segment = playlist.rpartition("/")[0] + "/" + _first_entry(await _text(client, playlist))
    found = await client.request("GET", segment)

    assert found.status == 200
    assert len(found.body) > 1000


async def test_an_image_gets_a_thumbnail_and_its_measures(client: Client, receiver: Receiver, image: bytes) -> None:
    created = await client.upload(image, file_type="image", content_type="image/png", callback_url=f"{receiver.url}/image")

    assert created["public_url"].endswith(".png")  # E-17
    call = await receiver.one_at("/image")
    assert [rendition["kind"] for rendition in call.data["renditions"]] == ["thumbnail"]
    upload = await client.until_terminal(created["id"])
    assert (upload["file"]["image"]["width"], upload["file"]["image"]["height"]) == (640, 480)
    assert upload["file"]["mime_type"] == "image/png"


async def test_other_files_are_stored_as_they_are(client: Client) -> None:
    created = await client.upload(b"id,name\n1,Ada\n")  # E-04, E-05: nothing but the required fields
    upload = await client.until_terminal(created["id"])

    assert upload["state"] == "READY"
    assert upload["renditions"] == []
    assert (await client.request("GET", created["public_url"])).body == b"id,name\n1,Ada\n"


async def test_a_broken_video_fails_clearly_and_is_announced(client: Client, receiver: Receiver, video: bytes) -> None:
    broken = video[:200] + b"\0" * (len(video) - 200)
    created = await client.upload(broken, file_type="video", content_type="video/mp4", callback_url=f"{receiver.url}/broken")

    call = await receiver.one_at("/broken")
    assert (call.data["event"], call.data["status"]) == ("upload.failed", "FAILED")
    assert call.data["error"]["code"]
    assert (await client.request("GET", created["public_url"])).status == 404


async def test_a_deleted_file_is_gone(client: Client, image: bytes) -> None:
    created = await client.upload(image, file_type="image", content_type="image/png")
    await client.until_terminal(created["id"])

    deleted = await client.call("DELETE", f"/api/v1/uploads/{created['id']}")
    again = await client.call("DELETE", f"/api/v1/uploads/{created['id']}")

    assert (deleted.status, again.status) == (204, 204)
    assert (await client.request("GET", created["public_url"])).status in (404, 410)
    polled = await client.call("GET", f"/api/v1/uploads/{created['id']}")
    assert polled.status == 404 or polled.json["status"] == "DELETED"


async def test_parts_and_conditions_of_a_published_file_can_be_asked_for(client: Client, image: bytes) -> None:
    created = await client.upload(image, file_type="image", content_type="image/png")
    await client.until_terminal(created["id"])
    url = created["public_url"]

    part = await client.request("GET", url, headers={"Range": "bytes=10-19"})
    last = await client.request("GET", url, headers={"Range": "bytes=-5"})
    beyond = await client.request("GET", url, headers={"Range": f"bytes={len(image)}-"})
    head = await client.request("HEAD", url)
    unchanged = await client.request("GET", url, headers={"If-None-Match": head.headers["ETag"]})

    assert (part.status, part.body) == (206, image[10:20])
    assert part.headers["Content-Range"] == f"bytes 10-19/{len(image)}"
    assert (last.status, last.body) == (206, image[-5:])
    assert beyond.status == 416
    assert (head.status, head.body, head.headers["Content-Length"]) == (200, b"", str(len(image)))
    assert head.headers["X-Content-Type-Options"] == "nosniff"
    assert unchanged.status == 304


async def test_bad_input_gets_the_apis_own_error(client: Client) -> None:
    # E-02, E-03, E-18, E-19, E-21
    async def refused(status: int, code: str, **options: object) -> None:
        answer = await client.request("POST", f"{client.credentials.base_url}/api/v1/uploads", **options)
        assert (answer.status, answer.json["status"], answer.json["code"]) == (status, status, code)
        assert set(answer.json) == {"status", "error", "code", "request_id", "details"}

    key = {"X-API-Key": client.credentials.api_key}
    good = {"owner": client.credentials.org, "uploader": "customer"}
    await refused(401, "UNAUTHORIZED", json=good)
    await refused(401, "UNAUTHORIZED", json=good, headers={"X-API-Key": "nobody's"})
    await refused(400, "BAD_REQUEST", json={"uploader": "customer"}, headers=key)
    await refused(400, "BAD_REQUEST", json=good | {"uploader": "someone"}, headers=key)
    await refused(400, "BAD_REQUEST", json=good | {"content_type": "video/nonsense"}, headers=key)
    await refused(400, "BAD_REQUEST", data=b"{nonsense", headers=key | {"Content-Type": "application/json"})
    await refused(400, "BAD_REQUEST", data=b'{"owner": "\xff"}', headers=key | {"Content-Type": "application/json"})


async def test_a_callback_to_a_closed_network_is_refused_at_once(client: Client) -> None:
    answer = await client.call(
        "POST",
        "/api/v1/uploads",
        {"owner": client.credentials.org, "uploader": "customer", "callback_url": "http://169.254.169.254/latest"},
    )

    assert (answer.status, answer.json["code"]) == (400, "BAD_REQUEST")


async def test_a_receiver_that_fails_once_is_told_again_with_the_same_id_and_bytes(client: Client, receiver: Receiver) -> None:
    receiver.refuse = 1
    await client.upload(b"again", callback_url=f"{receiver.url}/again")

    await receiver.wait_until(lambda: len(receiver.calls_at("/again")) == 2)

    first, second = receiver.calls_at("/again")
    assert (first.webhook_id, first.body) == (second.webhook_id, second.body)


async def test_the_timeline_tells_what_happened_in_order(client: Client, receiver: Receiver) -> None:
    created = await client.upload(b"told", callback_url=f"{receiver.url}/told")
    await receiver.one_at("/told")

    async def told() -> list[str]:
        types = [entry["type"] for entry in (await client.state(created["id"]))["timeline"]]
        # The gateway hears of processing and of the delivery on ways of their own.
        return types if {"processing.completed.v1", "delivery.changed.v1"} <= set(types) else []

    types = await until(told)
    assert [kind for kind in types if kind.startswith(("upload.", "object.", "processing.completed"))] == [
        "upload.registered.v1",
        "object.stored.v1",
        "upload.completed.v1",
        "processing.completed.v1",
    ]


async def _text(client: Client, url: str) -> str:
    answer = await client.request("GET", url)
    assert answer.status == 200
    return answer.body.decode()


def _first_entry(playlist: str) -> str:
    return next(line for line in playlist.splitlines() if line and not line.startswith("#"))
