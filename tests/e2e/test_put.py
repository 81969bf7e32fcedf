"""What a client may do to its upload URL, and that none of it ever changes what is published."""

import asyncio
from urllib.parse import urlsplit

from tests.e2e.client import Client

CONTENT = b"\x00\x01the only true bytes\xff" * 50


async def test_only_the_declared_headers_are_accepted(client: Client) -> None:
    # E-15, E-16
    created = await client.register(file_type="audio", content_type="audio/mpeg")
    headers = created["required_headers"]

    missing = {name: value for name, value in headers.items() if name != "x-amz-meta-file-id"}
    other_type = headers | {"Content-Type": "text/html"}
    other_value = headers | {"x-amz-meta-file-id": "another"}
    for wrong in (missing, other_type, other_value):
        answer = await client.request("PUT", created["upload_url"], data=CONTENT, headers=wrong)
        assert answer.status in (400, 403)

    assert (await client.state(created["id"]))["state"] == "REGISTERED"


async def test_a_changed_url_is_refused(client: Client) -> None:
    created = await client.register()
    path = urlsplit(created["upload_url"]).path
    elsewhere = created["upload_url"].replace(path, path[:-1] + ("0" if path[-1] != "0" else "1"))

    answer = await client.request("PUT", elsewhere, data=CONTENT, headers=created["required_headers"])

    assert answer.status == 403


async def test_a_body_of_another_size_than_declared_is_not_taken(client: Client) -> None:
    # J-08: the size is part of the signature, or is found out afterwards
    for body in (CONTENT + b"!", CONTENT[:-1], b""):
        name = f"size-{len(body)}-{id(body)}.bin"
        asked = {"name": name, "contentType": "application/octet-stream", "size": len(CONTENT)}
        created = (await client.call("POST", "/v2/media/file", asked)).json
        headers = {"Content-Type": "application/octet-stream"}
        await client.request("PUT", created["uploadUrl"], data=body, headers=headers)

        assert (await client.request("GET", created["fileUrl"])).status == 404
        assert (await client.call("GET", f"/v2/media/file?path={name}")).json["file"]["status"] == "pending"


async def test_a_second_put_never_changes_what_is_published(client: Client) -> None:
    created = await client.upload(CONTENT)
    await client.until_terminal(created["id"])

    again = await client.put(created, b"other bytes, same URL, still in time")
    assert again.status in (200, 403, 404, 409)  # the store may take it; nobody will

    before = (await client.state(created["id"]))["version"]
    for _ in range(10):  # longer than the reconciler's pause
        served = await client.request("GET", created["public_url"])
        assert (served.status, served.body) == (200, CONTENT)
        await asyncio.sleep(0.2)
    assert (await client.state(created["id"]))["version"] == before


async def test_two_puts_at_once_publish_one_of_them_whole(client: Client) -> None:
    created = await client.register()
    bodies = [bytes([number]) * 100_000 for number in (1, 2)]
    await asyncio.gather(*(client.put(created, body) for body in bodies))

    assert (await client.until_terminal(created["id"]))["state"] == "READY"

    assert (await client.request("GET", created["public_url"])).body in bodies


async def test_a_client_that_vanishes_half_way_leaves_nothing(client: Client) -> None:
    created = await client.register()
    parts = urlsplit(created["upload_url"])
    head = "".join(f"{name}: {value}\r\n" for name, value in created["required_headers"].items())

    _reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    request = f"PUT {parts.path}?{parts.query} HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Length: 1000000\r\n{head}\r\n"
    writer.write(request.encode() + b"x" * 10_000)
    await writer.drain()
    writer.close()

    assert (await client.request("GET", created["public_url"])).status == 404
    assert (await client.state(created["id"]))["state"] == "REGISTERED"
    assert (await client.put(created, CONTENT)).status == 200
    assert (await client.until_terminal(created["id"]))["state"] == "READY"
    assert (await client.request("GET", created["public_url"])).body == CONTENT
