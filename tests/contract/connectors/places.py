"""One destination of each kind for the conformance suite: a real folder, strict HTTP servers, a real S3 server."""

import hashlib
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from contracts.account import ACCOUNT_SETTINGS
from libs.egress.client import GuardedClient
from libs.egress.policy import Policy, parse_networks
from libs.egress.upload import UploadLimits
from libs.object_store.s3 import S3Store
from libs.runtime.secret import SecretBox, new_key
from libs.web.signed_link import PURPOSE, LinkSigner
from services.delivery.publishing.connectors.directory import Directories
from services.delivery.publishing.connectors.http import HttpConnector
from services.delivery.publishing.connectors.port import Connector
from services.delivery.publishing.connectors.s3 import S3Connector
from services.delivery.publishing.connectors.webhook import WebhookConnector
from services.delivery.publishing.connectors.youtube.api import YouTubeApi
from services.delivery.publishing.connectors.youtube.connector import YouTubeConnector
from services.delivery.publishing.connectors.youtube.processing import Patience
from services.delivery.publishing.connectors.youtube.token import AccessTokens
from tests.contract.connectors.given import TENANT
from tests.servers import s3
from tests.servers.destination import Destination, FileTaker, HookTaker, Passage, serving
from tests.servers.youtube import YouTube, serving_youtube
from tests.servers.youtube import settings as youtube_settings

SECRET = "whsec_" + "c2VjcmV0LW9mLXRoZS10ZXN0LWFjY291bnQtMzItYnl0ZXM="
OTHER_SECRET = "whsec_" + "b3RoZXItb2YtdGhlLXRlc3QtYWNjb3VudC0zMi1ieXRlcyE="
LIMITS = UploadLimits(total_seconds=60, idle_seconds=20)
PART_BYTES = 5 * 2**20
LINKS = LinkSigner("https://uploads.test", SecretBox(new_key()).derived(PURPOSE))


class Place(Protocol):
    kind: str

    @property
    def destination(self) -> Destination | None:
        """What stands before it and can fail; None: nothing."""

    def connector(self, **changes: Any) -> Connector: ...

    def stranger(self) -> Connector:
        """With credentials that are not the account's."""

    async def published(self) -> list[tuple[int, str]]:
        """Size and SHA-256 of all that is visible there; of links, the size that they tell and nothing."""

    async def leftovers(self) -> int:
        """What lies half-done there."""


@dataclass
class DirectoryPlace:
    root: Path
    directories: Directories
    kind: str = "directory"
    destination: Destination | None = None

    def connector(self, **changes: Any) -> Connector:
        return self.directories.connector(_settings("directory", {"path": "acme/inbox"} | changes))

    def stranger(self) -> Connector:
        self.root.mkdir(parents=True, exist_ok=True)
        (self.root / "not-a-folder").touch()
        return self.connector(path="not-a-folder")

    async def published(self) -> list[tuple[int, str]]:
        return [_measured(path) for path in sorted(self.root.rglob("*")) if path.stat().st_size and _is_visible(path)]

    async def leftovers(self) -> int:
        return sum(path.name.startswith(".") for path in self.root.rglob("*"))


@dataclass
class HttpPlace:
    client: GuardedClient
    destination: Destination
    taker: FileTaker
    method: str
    kind: str = "http"

    def connector(self, *, client: GuardedClient | None = None, **changes: Any) -> Connector:
        given = {
            "url": f"{self.destination.origin}/files/{{file_name}}",
            "method": self.method,
            "headers": {"Authorization": "Bearer token-of-acme"},
        }
        return HttpConnector(_settings("http", given | changes), client or self.client, LIMITS)

    def stranger(self) -> Connector:
        return self.connector(headers={"Authorization": "Bearer stranger"})

    async def published(self) -> list[tuple[int, str]]:
        return [(size, digest) for _name, size, digest in self.taker.files.values()]

    async def leftovers(self) -> int:
        return 0


@dataclass
class WebhookPlace:
    client: GuardedClient
    destination: Destination
    taker: HookTaker
    kind: str = "webhook"

    def connector(self, *, client: GuardedClient | None = None, **changes: Any) -> Connector:
        given = {"url": f"{self.destination.origin}/hook", "secret": SECRET}
        return WebhookConnector(_settings("webhook", given | changes), client or self.client, LINKS)

    def stranger(self) -> Connector:
        return self.connector(secret=OTHER_SECRET)

    async def published(self) -> list[tuple[int, str]]:
        return [(message["data"]["file"]["size_bytes"], "") for message in self.taker.messages.values()]

    async def leftovers(self) -> int:
        return 0


@dataclass
class S3Place:
    client: GuardedClient
    destination: Destination
    bucket: S3Store
    url: str
    kind: str = "s3"

    def connector(self, *, client: GuardedClient | None = None, **changes: Any) -> Connector:
        parts = urlsplit(self.url)
        given = {
            "endpoint": self.destination.origin,
            "bucket": parts.path.strip("/"),
            "access_key": parts.username,
            "secret_key": parts.password,
            "key": "media/{publication_id}/{file_name}",
        }
        return S3Connector(_settings("s3", given | changes), client or self.client, LIMITS, part_bytes=PART_BYTES)

    def stranger(self) -> Connector:
        return self.connector(secret_key="stranger")

    async def published(self) -> list[tuple[int, str]]:
        found = []
        async for page in self.bucket.list(""):
            for info in page:
                digest = hashlib.sha256()
                async for piece in self.bucket.read(info.key):
                    digest.update(piece)
                found.append((info.size_bytes, digest.hexdigest()))
        return found

    async def leftovers(self) -> int:
        opened = sum(method == "POST" and "uploads=" in path for method, path in self.destination.requests)
        ended = sum(
            method == "DELETE" or (method == "POST" and "uploadId=" in path) for method, path in self.destination.requests
        )
        return opened - ended


@dataclass
class YouTubePlace:
    client: GuardedClient
    destination: Destination
    tokens: Destination
    channel: YouTube
    kind: str = "youtube"

    def connector(self, *, client: GuardedClient | None = None, **changes: Any) -> YouTubeConnector:
        used = client or self.client
        account = _settings("youtube", youtube_settings(**changes))
        tokens = AccessTokens(used, f"{self.tokens.origin}/token")
        api = YouTubeApi(account, tokens, used, LIMITS, self.destination.origin)
        return YouTubeConnector(api, Patience(60, first_pause_seconds=0.01), chunk_bytes=PART_BYTES)

    def stranger(self) -> Connector:
        return self.connector(refresh_token="stranger")

    async def published(self) -> list[tuple[int, str]]:
        return self.channel.published

    async def leftovers(self) -> int:
        return 0


@asynccontextmanager
async def directory_place(folder: Path) -> AsyncIterator[Place]:
    directories = Directories(folder / "published", seconds=20)
    yield DirectoryPlace(folder / "published" / str(TENANT), directories)


@asynccontextmanager
async def http_place(method: str) -> AsyncIterator[Place]:
    taker = FileTaker("token-of-acme")
    async with guarded() as client, serving(taker) as destination:
        yield HttpPlace(client, destination, taker, method)


@asynccontextmanager
async def webhook_place() -> AsyncIterator[Place]:
    taker = HookTaker(SECRET)
    async with guarded() as client, serving(taker) as destination:
        yield WebhookPlace(client, destination, taker)


@asynccontextmanager
async def s3_place(server: str) -> AsyncIterator[Place]:
    url = s3.bucket_url(server)
    bucket = S3Store.from_url(url)
    await bucket.open()
    async with guarded() as client, serving(Passage(server)) as destination:
        yield S3Place(client, destination, bucket, url)
    await bucket.close()


@asynccontextmanager
async def youtube_place() -> AsyncIterator[YouTubePlace]:
    async with guarded() as client, serving_youtube() as (channel, destination, tokens):
        yield YouTubePlace(client, destination, tokens, channel)


@asynccontextmanager
async def guarded(allow: str = "127.0.0.0/8") -> AsyncIterator[GuardedClient]:
    client = GuardedClient(Policy(parse_networks(allow)), timeout_seconds=20)
    await client.open()
    try:
        yield client
    finally:
        await client.close()


def _settings(kind: str, given: dict[str, Any]) -> Any:
    return ACCOUNT_SETTINGS[kind].model_validate(given)


def _is_visible(path: Path) -> bool:
    return path.is_file() and not path.name.startswith(".")


def _measured(path: Path) -> tuple[int, str]:
    with path.open("rb") as file:
        return os.fstat(file.fileno()).st_size, hashlib.file_digest(file, "sha256").hexdigest()


PLACES: dict[str, Callable[[Path, str], Any]] = {
    "directory": lambda folder, _server: directory_place(folder),
    "http-put": lambda _folder, _server: http_place("PUT"),
    "http-post": lambda _folder, _server: http_place("POST"),
    "s3": lambda _folder, server: s3_place(server),
    "webhook": lambda _folder, _server: webhook_place(),
    "youtube": lambda _folder, _server: youtube_place(),
}
