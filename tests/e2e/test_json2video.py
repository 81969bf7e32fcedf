"""The json2video API, all the way, on both forms of the platform."""

from uuid import uuid4

from tests.e2e.client import Answer, Client, until


async def test_the_two_step_upload_works_as_published(client: Client, video: bytes) -> None:
    # J-01, J-09, J-11, J-12, J-23: Given a name of which some characters are replaced (J-06)
    name = f"my clip {uuid4().hex}.mp4"
    stored_name = name.replace(" ", "_")
    asked = {"name": name, "contentType": "video/mp4", "size": len(video), "folder": "videos"}
    created = (await client.call("POST", "/v2/media/file", asked)).json
    assert (created["success"], created["expiresIn"]) == (True, 120)
    assert created["fileUrl"] == f"{client.credentials.base_url}/{client.credentials.client_id}/files/videos/{stored_name}"
    assert (await _file(client, f"videos/{stored_name}")).json["file"]["status"] == "pending"
    assert (await client.request("GET", created["fileUrl"])).status == 404

    # When the bytes are PUT with nothing but their Content-Type
    put = await client.request("PUT", created["uploadUrl"], data=video, headers={"Content-Type": "video/mp4"})
    assert put.status == 200

    # J-14: Then the server finds out by itself, and serves the file
    found = await _until_uploaded(client, f"videos/{stored_name}")
    assert (found["type"], found["size"], found["url"]) == ("video", len(video), created["fileUrl"])
    served = await client.request("GET", created["fileUrl"])
    assert (served.status, served.body) == (200, video)

    # J-22: And the name is taken
    again = await client.call("POST", "/v2/media/file", asked)
    assert (again.status, again.json["message"]) == (409, "A file with this name already exists. Delete it first.")


async def test_a_deleted_file_frees_its_name(client: Client, image: bytes) -> None:
    name = f"{uuid4().hex}.png"
    asked = {"name": name, "contentType": "image/png", "size": len(image)}
    created = (await client.call("POST", "/v2/media/file", asked)).json
    assert (await client.request("PUT", created["uploadUrl"], data=image, headers={"Content-Type": "image/png"})).status == 200
    await _until_uploaded(client, name)

    deleted = await client.call("DELETE", "/v2/media/file", {"name": name})

    assert (deleted.status, deleted.json["success"]) == (200, True)
    assert (await client.request("GET", created["fileUrl"])).status in (404, 410)
    assert (await client.call("POST", "/v2/media/file", asked)).status == 200


async def test_folders_are_made_listed_and_deleted(client: Client) -> None:
    folder = f"f{uuid4().hex}/raw"

    made = await client.call("POST", "/v2/media/folder", {"folder": folder})  # J-03, J-15, J-17
    again = await client.call("POST", "/v2/media/folder", {"folder": folder})  # J-16
    listed = await client.call("GET", f"/v2/media/folder?path={folder.partition('/')[0]}")
    deleted = await client.call("DELETE", "/v2/media/folder", {"folder": folder})

    assert (made.status, made.json["success"]) == (200, True)
    assert made.json["timestamp"].endswith("Z")
    assert (again.status, again.json["message"]) == (200, "Folder already exists")
    assert [entry["name"] for entry in listed.json["folders"]] == ["raw"]
    assert deleted.status == 200


async def test_bad_input_gets_the_published_words(client: Client) -> None:
    # J-02, J-08, J-18, J-19
    good = {"name": "a.mp4", "contentType": "video/mp4", "size": 1}
    for change, status, message in (
        ({"name": None}, 400, "name is required"),
        ({"contentType": None}, 400, "contentType is required"),
        ({"size": None}, 400, "size is required and must be a positive number"),
        ({"size": 0}, 400, "size is required and must be a positive number"),
        ({"size": "5"}, 400, "size is required and must be a positive number"),
        ({"size": 524288001}, 413, "File exceeds maximum size of 500 MB"),
    ):
        body = {key: value for key, value in (good | change).items() if value is not None}
        answer = await client.call("POST", "/v2/media/file", body)
        assert (answer.status, answer.json["success"], answer.json["message"]) == (status, False, message)
    nameless = await client.call("POST", "/v2/media/folder", {})
    unusable = await client.call("POST", "/v2/media/folder", {"folder": "???"})
    assert (nameless.status, nameless.json["message"]) == (400, "folder is required")
    assert (unusable.status, unusable.json["message"]) == (400, "Invalid folder name")


async def test_a_missing_key_is_refused(client: Client) -> None:
    url = f"{client.credentials.base_url}/v2/media/file"
    answer = await client.request("POST", url, json={"name": "a", "contentType": "b/c", "size": 1})  # J-04
    assert (answer.status, answer.json["success"]) == (403, False)


async def _file(client: Client, path: str) -> Answer:
    return await client.call("GET", f"/v2/media/file?path={path}")


async def _until_uploaded(client: Client, path: str) -> dict[str, object]:
    async def uploaded() -> dict[str, object] | None:
        answer = await _file(client, path)
        assert answer.status == 200, answer
        file: dict[str, object] = answer.json["file"]
        return file if file["status"] == "uploaded" else None

    found: dict[str, object] = await until(uploaded)
    return found
