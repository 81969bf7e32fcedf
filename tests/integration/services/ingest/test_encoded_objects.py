"""Objects that a bucket answers with `Content-Encoding`, whoever put them there so."""

import gzip
from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import uuid4

import pytest_asyncio

from contracts.container import S3Container, WatchedBucket
from contracts.ids import new_upload_id
from libs.egress.client import GuardedClient
from libs.egress.policy import Policy, parse_networks
from libs.object_store.s3 import S3Store
from libs.runtime.secret import SecretBox
from services.ingest.adapters.blob import BlobSource
from services.ingest.adapters.bucket import Bucket
from services.ingest.adapters.source import HttpSource
from services.ingest.domain.ignored_name import IgnoredNames
from services.ingest.domain.watch import WatchedFile
from tests.integration.services.ingest.rig import KEY, requested
from tests.servers.source import Source, ok

CONTENT = b"id,name\n" * 100
STORED = gzip.compress(CONTENT)


@dataclass(frozen=True)
class Linked:
    """A bucket in which every object is the same one."""

    container: S3Container
    client: GuardedClient
    source: Source

    def holds(self, body: bytes, *headers: str) -> None:
        self.source.scripts.default_factory = lambda: [(ok(body, 'ETag: "e"', *headers),)]


@pytest_asyncio.fixture
async def linked(source: Source) -> AsyncIterator[Linked]:
    container = S3Container.model_validate(
        {"endpoint": source.url(""), "bucket": "media", "access_key": "key", "secret_key": "word"}
    )
    client = GuardedClient(Policy(parse_networks("127.0.0.0/8")), timeout_seconds=10)
    await client.open()
    try:
        yield Linked(container, client, source)
    finally:
        await client.close()


async def test_watched_object_is_taken_as_it_is_stored_whose_size_and_version_are_known(linked: Linked) -> None:
    linked.holds(STORED, "Content-Encoding: gzip")
    bucket = Bucket(
        WatchedBucket(container=linked.container), linked.client, IgnoredNames(), timeout_seconds=10, idle_seconds=10
    )
    async with bucket.open(WatchedFile(new_upload_id(), "a.csv", len(STORED), "e")) as chunks:
        assert b"".join([chunk async for chunk in chunks]) == STORED


async def test_encoded_object_of_a_container_is_decoded_and_not_copied_by_the_store(linked: Linked) -> None:
    parts = linked.source.url("").removeprefix("http://")
    own, box = S3Store.from_url(f"http://key:word@{parts}/own"), SecretBox(KEY)
    blobs = BlobSource(HttpSource(linked.client, timeout_seconds=10, idle_seconds=10, max_redirects=0), box, own)
    sealed = box.seal(linked.container.model_dump_json())
    request = requested(f"blob:{uuid4()}/a.csv", container_encrypted=sealed, max_size_bytes=len(CONTENT))
    for body, headers in ((CONTENT, ()), (STORED, ("Content-Encoding: gzip",))):
        linked.holds(body, *headers)
        async with blobs.open(request) as answer:
            assert (answer.copy is None, answer.found.total_bytes is None) == (bool(headers), bool(headers))
            assert b"".join([chunk async for chunk in answer.chunks]) == CONTENT
        linked.source.scripts.clear()
