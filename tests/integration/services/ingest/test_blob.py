"""Files come from linked containers: from a real S3 server and from Azurite, into both stores."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, urlsplit
from uuid import uuid4

import pytest
import pytest_asyncio
from azure.storage.blob import ContainerSasPermissions, generate_container_sas

from contracts.container import AzureContainer, Container, S3Container
from contracts.events import FetchCompleted, FetchFailed
from libs.object_store.port import ObjectStore
from libs.object_store.s3 import S3Store
from libs.runtime.secret import SecretBox, new_key
from tests.integration.services.ingest.rig import KEY, Rig, running
from tests.servers import azurite, s3
from tests.servers.azurite import Azurite

KEYS = ("film.mp4", "2026/Käse & Brot? #1.mp4", "späť/~x'(y)!*.txt", "a b+c%20d/e=f@g,h.bin")


@pytest.fixture(scope="session")
def azure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azurite]:
    with azurite.running(tmp_path_factory.mktemp("azurite")) as started:
        yield started


@pytest_asyncio.fixture
async def rig(database_dsn: str, store: ObjectStore) -> AsyncIterator[Rig]:
    async with running(database_dsn, store, egress_allow="127.0.0.0/8", ingest_retry_seconds=0.01) as started:
        yield started


Put = Callable[[dict[str, bytes]], Awaitable[Container]]


@pytest.fixture(params=["s3", "azure key", "azure signature"])
def put(request: pytest.FixtureRequest) -> Put:
    """Makes a container in which these lie; answers how it is reached."""
    if request.param == "s3":
        server = request.getfixturevalue("s3_server")
        return lambda blobs: in_bucket(server, blobs)
    azure: Azurite = request.getfixturevalue("azure")
    return lambda blobs: in_azure(azure, blobs, signs=request.param == "azure key")


async def in_bucket(server: str, blobs: dict[str, bytes]) -> S3Container:
    url = s3.bucket_url(server)
    bucket = S3Store.from_url(url)
    await bucket.open()
    for key, content in blobs.items():
        await bucket.write(key, _once(content), content_type="video/mp4")
    await bucket.close()
    return s3_container(url)


def s3_container(bucket_url: str) -> S3Container:
    parts = urlsplit(bucket_url)
    return S3Container.model_validate({
        "endpoint": f"http://{parts.hostname}:{parts.port}", "bucket": parts.path.strip("/"), "access_key": parts.username,
        "secret_key": parts.password,
    })  # fmt: skip


async def in_azure(azure: Azurite, blobs: dict[str, bytes], *, signs: bool) -> AzureContainer:
    name = await asyncio.to_thread(lambda: azure.container(**blobs))
    credential = azurite.KEY if signs else generate_container_sas(
        azurite.ACCOUNT, name, account_key=azurite.KEY, permission=ContainerSasPermissions(read=True),
        expiry=datetime.now(UTC) + timedelta(hours=1),
    )  # fmt: skip
    return AzureContainer.model_validate({"account_url": azure.account_url, "container": name, "credential": credential})


async def _once(content: bytes) -> AsyncIterator[bytes]:
    yield content


def asked(container: Container, key: str, secret: str = KEY, **changes: Any) -> tuple[str, dict[str, Any]]:
    sealed = SecretBox(secret).seal(container.model_dump_json())
    return f"blob:{uuid4()}/{quote(key)}", {"container_encrypted": sealed, **changes}


async def test_an_object_of_any_name_comes_whole(rig: Rig, put: Put) -> None:
    # M-06
    container = await put({key: key.encode() for key in KEYS})
    for key in KEYS:
        url, sealed = asked(container, key)
        event, end = await rig.fetched(url, **sealed)
        assert isinstance(end, FetchCompleted), (key, end)
        assert end.file_name == key.rpartition("/")[2]
        stored = await rig.stored(event)
        assert stored is not None
        assert stored[1] == key.encode()


async def test_a_large_object_flows_through(rig: Rig, put: Put) -> None:
    # M-06
    content = random.Random(1).randbytes(20_000_001)
    container = await put({"film.mp4": content})
    url, sealed = asked(container, "film.mp4")
    event, end = await rig.fetched(url, **sealed)
    assert isinstance(end, FetchCompleted)
    stored = await rig.stored(event)
    assert stored is not None
    assert stored[1] == content


@pytest.mark.parametrize("is_ours", [True, False], ids=["our access", "another access"])
async def test_the_store_copies_what_lies_in_another_bucket_of_it(
    rig: Rig, store: ObjectStore, s3_server: str, monkeypatch: pytest.MonkeyPatch, is_ours: bool
) -> None:
    # M-06: only where the container's access is the store's own
    written: list[str] = []
    write = store.write

    async def noted(key: str, *args: Any, **options: Any) -> Any:
        written.append(key)
        return await write(key, *args, **options)

    content = random.Random(2).randbytes(5_000_000)
    container = await in_bucket(s3_server, {"Käse & Brot.mp4": content})
    monkeypatch.setattr(store, "write", noted)
    if not is_ours and isinstance(store, S3Store):
        monkeypatch.setattr(store, "_access", (container.endpoint, container.access_key, "another"))
    url, sealed = asked(container, "Käse & Brot.mp4")
    event, end = await rig.fetched(url, **sealed)
    assert isinstance(end, FetchCompleted)
    assert (end.size_bytes, end.content_type) == (len(content), "video/mp4")
    stored = await rig.stored(event)
    assert stored is not None
    assert (stored[0].content_type, stored[1]) == ("video/mp4", content)
    assert written == ([] if is_ours and isinstance(store, S3Store) else [event.staging_key])


async def test_what_is_not_there_or_too_large_is_told(rig: Rig, put: Put) -> None:
    container = await put({"film.mp4": b"x" * 1000})
    url, sealed = asked(container, "other.mp4")
    _, end = await rig.fetched(url, **sealed)
    assert isinstance(end, FetchFailed)
    assert (end.code, end.message) == ("fetch_client_error", "404 Not Found")
    url, sealed = asked(container, "film.mp4", max_size_bytes=999)
    _, end = await rig.fetched(url, **sealed)
    assert isinstance(end, FetchFailed)
    assert (end.code, end.message) == ("fetch_too_large", "1000 > 999")


async def test_wrong_credentials_bring_nothing(rig: Rig, put: Put) -> None:
    container = await put({"film.mp4": b"x"})
    if isinstance(container, S3Container):
        wrong: Container = S3Container.model_validate(container.model_dump() | {"secret_key": "wrong"})
    else:
        wrong = AzureContainer.model_validate(container.model_dump() | {"credential": "d3Jvbmcgd3Jvbmcgd3Jvbmc="})
    url, sealed = asked(wrong, "film.mp4")
    _, end = await rig.fetched(url, **sealed)
    assert isinstance(end, FetchFailed)
    assert (end.code, end.message) == ("fetch_client_error", "403 Forbidden")


@pytest.mark.parametrize("kind", ["s3", "azure"])
async def test_a_container_inside_is_not_asked(rig: Rig, kind: str) -> None:
    """Its address is somebody's word like any other."""
    inside = "http://10.0.0.1:9000"
    container: Container = (
        S3Container.model_validate({"endpoint": inside, "bucket": "films", "access_key": "a", "secret_key": "s"})
        if kind == "s3"
        else AzureContainer.model_validate({"account_url": f"{inside}/films", "container": "raw", "credential": azurite.KEY})
    )
    url, sealed = asked(container, "film.mp4")
    _, end = await rig.fetched(url, **sealed)
    assert isinstance(end, FetchFailed)
    assert (end.code, end.message) == ("fetch_url_refused", "only public IPs are allowed")


async def test_settings_that_cannot_be_opened_end_the_fetch(rig: Rig) -> None:
    url, sealed = asked(
        S3Container.model_validate({"endpoint": "http://x.test", "bucket": "films", "access_key": "a", "secret_key": "s"}),
        "film.mp4",
        new_key(),
    )
    _, end = await rig.fetched(url, **sealed)
    assert isinstance(end, FetchFailed)
    assert end.code == "fetch_internal"


async def test_no_secret_is_kept_or_told(rig: Rig, put: Put, capfd: pytest.CaptureFixture[str]) -> None:
    container = await put({"film.mp4": b"x"})
    for key in ("film.mp4", "other.mp4"):
        url, sealed = asked(container, key)
        event, _ = await rig.fetched(url, **sealed)
        assert (await rig.row(event))["envelope"] is None
        told = " ".join(envelope.model_dump_json() for envelope in await rig.envelopes(event))
        secret = container.secret_key if isinstance(container, S3Container) else container.credential
        printed = capfd.readouterr()
        for text in (told, printed.out, printed.err):
            assert secret.get_secret_value() not in text
            assert "sig=" not in text
            assert "X-Amz-Signature" not in text
