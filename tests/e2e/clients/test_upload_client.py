"""`@uploadcare/upload-client`, in Node and in a page of another origin."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from tests.e2e.clients.chromium import page_at
from tests.e2e.clients.content import Content, assert_comes_back
from tests.e2e.clients.project import Project
from tests.e2e.clients.upload_client import InPage, Node, Runtime, UploadClient

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(params=["node", "page"], loop_scope="session")
async def runtime(request: pytest.FixtureRequest, browser: Browser, site: str) -> AsyncIterator[Runtime]:
    if request.param == "node":
        yield Node()
    else:
        async with page_at(browser, f"{site}/site/upload_client.html") as page:
            yield InPage(page)


@pytest.fixture
def client(runtime: Runtime, project: Project) -> UploadClient:
    return UploadClient(runtime, project)


@pytest.fixture
def signing_client(runtime: Runtime, signed_project: Project) -> UploadClient:
    return UploadClient(runtime, signed_project)


async def test_a_direct_upload(client: UploadClient, document: Content) -> None:
    # U-06, U-11, U-13
    options = {"fileName": document.name, "contentType": document.mime_type, "metadata": {"pet_name": "Ada"}, "store": True}
    uploaded = (await client.call("uploadFile", files=[document], **options))["result"]

    assert (uploaded["originalFilename"], uploaded["size"]) == (document.name, document.size)
    assert (uploaded["mimeType"], uploaded["isStored"], uploaded["isImage"]) == (document.mime_type, True, False)
    assert uploaded["metadata"] == {"petName": "Ada"}  # the client's spelling
    assert uploaded["cdnUrl"] == client.project.served_at(uploaded["uuid"])
    await assert_comes_back(uploaded["cdnUrl"], document)


async def test_an_image_is_described(client: UploadClient, picture: Content) -> None:
    # U-23
    uploaded = (await client.call("uploadFile", files=[picture], fileName=picture.name))["result"]

    assert uploaded["isImage"]
    assert (uploaded["imageInfo"]["format"], uploaded["imageInfo"]["width"], uploaded["imageInfo"]["height"]) == (
        "PNG",
        640,
        480,
    )
    assert uploaded["contentInfo"]["mime"]["mime"] == "image/png"
    await assert_comes_back(uploaded["cdnUrl"], picture)


@pytest.mark.parametrize("large", ["archive", "recording"])
async def test_a_multipart_upload(client: UploadClient, large: str, request: pytest.FixtureRequest) -> None:
    # U-14, U-15, U-18, U-20, U-21, U-22
    content: Content = request.getfixturevalue(large)
    options = {"fileName": content.name, "contentType": content.mime_type, "metadata": {"kind": "large"}}
    answer = await client.call("uploadFile", files=[content], **options)

    uploaded = answer["result"]
    assert (uploaded["originalFilename"], uploaded["size"]) == (content.name, content.size)
    assert (uploaded["mimeType"], uploaded["metadata"]) == (content.mime_type, {"kind": "large"})
    assert answer["progress"][-1] == 1
    await assert_comes_back(uploaded["cdnUrl"], content)


async def test_an_upload_from_a_url(client: UploadClient, site: str, archive: Content) -> None:
    # U-24, U-30, U-31
    answer = await client.call("uploadFile", f"{site}/moved/{archive.name}", metadata={"from": "a url"})

    uploaded = answer["result"]
    assert (uploaded["originalFilename"], uploaded["size"]) == (archive.name, archive.size)
    assert uploaded["metadata"] == {"from": "a url"}
    await assert_comes_back(uploaded["cdnUrl"], archive)


async def test_a_url_that_was_fetched_before_is_not_fetched_again(client: UploadClient, site: str, picture: Content) -> None:
    # U-26, U-27
    url = f"{site}/files/{picture.name}?by={type(client.runtime).__name__}"
    first = (await client.call("uploadFile", url, saveUrlForRecurrentUploads=True))["result"]
    second = (await client.call("uploadFile", url, checkForUrlDuplicates=True))["result"]

    assert first["uuid"] == second["uuid"]
    await assert_comes_back(first["cdnUrl"], picture)


async def test_a_url_that_leads_nowhere_is_told(client: UploadClient, site: str) -> None:
    error = await client.refused("uploadFile", f"{site}/files/missing.png")
    assert (error["name"], bool(error["message"]), bool(error["code"])) == ("UploadError", True, True)


async def test_a_group(client: UploadClient, document: Content, picture: Content) -> None:
    # U-33, U-36, U-37
    group = (await client.call("uploadFileGroup", files=[document, picture]))["result"]

    assert group["uuid"].endswith("~2")
    assert (group["filesCount"], group["totalSize"]) == (2, document.size + picture.size)
    for number, content in enumerate((document, picture)):
        await assert_comes_back(group["files"][number]["cdnUrl"], content)
        await assert_comes_back(client.project.served_at(f"{group['uuid']}/nth/{number}"), content)
    told = (await client.call("groupInfo", group["uuid"]))["result"]
    assert [file["uuid"] for file in told["files"]] == [file["uuid"] for file in group["files"]]
    assert told["cdnUrl"] == client.project.served_at(group["uuid"])


async def test_what_is_known_of_a_file(client: UploadClient, document: Content) -> None:
    # U-32
    uuid = (await client.call("base", files=[document], fileName=document.name))["result"]["file"]

    known = (await client.call("isReadyPoll", uuid))["result"]
    told = (await client.call("info", uuid))["result"]
    assert known == told
    assert (told["uuid"], told["fileId"], told["isReady"]) == (uuid, uuid, True)
    assert told["size"] == told["done"] == told["total"] == document.size
    again = (await client.call("uploadFile", uuid))["result"]
    await assert_comes_back(again["cdnUrl"], document)


async def test_signed_uploads(signing_client: UploadClient, site: str, document: Content, archive: Content) -> None:
    # U-12, U-19, U-29
    signature = signing_client.project.signature()
    direct = (await signing_client.call("uploadFile", files=[document], **signature))["result"]
    multipart = (await signing_client.call("uploadFile", files=[archive], **signature))["result"]
    fetched = (await signing_client.call("uploadFile", f"{site}/files/{archive.name}", **signature))["result"]
    group = (await signing_client.call("group", [direct["uuid"], multipart["uuid"]], **signature))["result"]

    assert group["filesCount"] == 2
    await assert_comes_back(direct["cdnUrl"], document)
    await assert_comes_back(multipart["cdnUrl"], archive)
    await assert_comes_back(fetched["cdnUrl"], archive)


async def test_uploads_without_their_signature_are_refused(
    signing_client: UploadClient, site: str, document: Content, archive: Content
) -> None:
    # U-E28, U-E27
    wrong = signing_client.project.signature() | {"secureSignature": "0" * 64}
    for source, files in ((None, [document]), (None, [archive]), (f"{site}/files/{archive.name}", [])):
        missing = await signing_client.refused("uploadFile", source, files=files)
        assert (missing["name"], missing["code"]) == ("UploadError", "SignatureRequiredError")
        invalid = await signing_client.refused("uploadFile", source, files=files, **wrong)
        assert (invalid["name"], invalid["code"]) == ("UploadError", "SignatureInvalidError")


async def test_an_unknown_key_is_refused(client: UploadClient, document: Content) -> None:
    # U-E18
    error = await client.refused("uploadFile", files=[document], publicKey="unknown")
    assert error["code"] == "ProjectPublicKeyInvalidError"


async def test_a_throttled_upload_is_repeated_when_the_answer_says(
    runtime: Runtime, throttled_project: Project, document: Content
) -> None:
    # U-E23
    client = UploadClient(runtime, throttled_project)
    uploaded = [(await client.call("uploadFile", files=[document]))["result"] for _ in range(2)]

    for file in uploaded:
        await assert_comes_back(file["cdnUrl"], document)
