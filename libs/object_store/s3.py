"""Any S3-compatible service, over asynchronous connections of our own (`s3_client`); what is rare goes through the `minio` SDK.

URLs are signed by our own `Presigner` (the SDK binds nothing but the host), with a key of their own where one is given.
"""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from hmac import compare_digest
from pathlib import Path
from typing import Self
from urllib.parse import parse_qs, unquote, urlsplit

from libs.object_store import s3_object
from libs.object_store.port import (
    MultipartNotFoundError,
    ObjectInfo,
    ObjectNotFoundError,
    OpenMultipart,
    Part,
    PeekedObject,
    StoreUnavailableError,
    check_parts,
)
from libs.object_store.presign import Presigner
from libs.object_store.s3_client import S3Client, S3Request
from libs.object_store.s3_copy import S3Copier
from libs.object_store.s3_multipart import S3Multipart
from libs.object_store.s3_probe import allow_browsers, probe
from libs.object_store.s3_write import S3Writer, chunks_of
from libs.object_store.uninterrupted import uninterrupted

CALLS, CALL_SECONDS = 64, 60
COPIES, COPY_SECONDS = 32, 900
"""At the same time, and how long the store may be silent. A copy inside the store answers when it is done, and not all stores
send something meanwhile."""


class S3Store:
    """`ObjectStore` in one bucket. Every failure that is not about an object is a StoreUnavailableError."""

    def __init__(
        self,
        *,
        origin: str,
        bucket: str,
        access_key: str,
        secret_key: str,
        region: str,
        presigner: Presigner,
        own_presigner: Presigner,
        read_presigner: Presigner,
    ) -> None:
        """`origin`: scheme, host and port. `own_presigner` signs as `presigner` does, for the address that we use ourselves;
        `read_presigner` as clients reach the store, with a key that may read: one that only takes uploads cannot."""
        from libs.object_store.s3_admin import S3Admin  # its SDK is slow to import, and the disk store needs none

        signer = Presigner(origin, access_key, secret_key, region)
        secure = origin.startswith("https:")
        self._client = S3Client(signer, bucket, is_secure=secure, requests=CALLS, read_seconds=CALL_SECONDS)
        self._copying = S3Client(signer, bucket, is_secure=secure, requests=COPIES, read_seconds=COPY_SECONDS)
        self._admin = S3Admin(origin, bucket, access_key, secret_key, region)
        self._copier = S3Copier(self._copying)
        self._writer = S3Writer(self._client)
        self._multipart = S3Multipart(self._client)
        self._presigner = presigner
        self._own_presigner = own_presigner
        self._read_presigner = read_presigner
        self._access = origin, access_key, secret_key

    @classmethod
    def from_url(cls, s3_url: str, public_url: str | None = None, presign_key: str | None = None) -> Self:
        """The forms of `s3_url`, `public_url` and `presign_key` are those of `ServiceSettings`."""
        parts = urlsplit(s3_url)
        bucket = parts.path.strip("/")
        if parts.scheme not in ("http", "https") or not parts.hostname or not bucket or not parts.username:
            raise ValueError("the S3 URL is not of the form http(s)://ACCESS_KEY:SECRET_KEY@host:port/bucket?region=…")
        access_key, secret_key = unquote(parts.username), unquote(parts.password or "")
        region = parse_qs(parts.query).get("region", ["us-east-1"])[0]
        origin = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
        signing_id, _, signing_secret = (presign_key or f"{access_key}:{secret_key}").partition(":")
        public = f"{(public_url or origin).rstrip('/')}/{bucket}"
        presigner = Presigner(public, signing_id, signing_secret, region)
        own_presigner = Presigner(f"{origin}/{bucket}", signing_id, signing_secret, region)
        return cls(
            origin=origin,
            bucket=bucket,
            access_key=access_key,
            secret_key=secret_key,
            region=region,
            presigner=presigner,
            own_presigner=own_presigner,
            read_presigner=Presigner(public, access_key, secret_key, region),
        )

    async def open(self) -> None:
        """Raises UnsafeStoreError for a store that would let a client's upload URL do more than it was signed for."""
        await self._admin.make_bucket()
        await allow_browsers(self._client)
        self._copier.is_condition_honoured = await probe(self._client, self._own_presigner)

    async def close(self) -> None:
        await self._client.close()
        await self._copying.close()
        await self._admin.close()

    async def announce(self, prefix: str, arn: str) -> None:
        """Makes the store send a notification to its target `arn` for every object that comes in below `prefix`."""
        await self._admin.make_bucket()
        await self._admin.announce(prefix, arn)

    async def check(self) -> None:
        try:
            await self._client.send(S3Request("HEAD", ""))
        except ObjectNotFoundError:
            raise StoreUnavailableError("the bucket does not exist") from None

    async def stat(self, key: str) -> ObjectInfo | None:
        try:
            return await s3_object.stat(self._client, key)
        except ObjectNotFoundError:
            return None

    async def peek(self, key: str, max_bytes: int) -> PeekedObject | None:
        try:
            return await s3_object.peek(self._client, key, max_bytes)
        except ObjectNotFoundError:
            return None

    def read(
        self, key: str, *, start: int = 0, length: int | None = None, match_etag: str | None = None
    ) -> AsyncIterator[bytes]:
        return s3_object.read(self._client, key, start, length, match_etag)

    async def download(self, key: str, path: Path) -> None:
        file = await asyncio.to_thread(path.open, "wb", 0)
        with file:
            async for chunk in self.read(key):
                await asyncio.to_thread(file.write, chunk)

    async def write(
        self, key: str, content: Path | AsyncIterable[bytes], *, content_type: str, metadata: Mapping[str, str] | None = None
    ) -> ObjectInfo:
        chunks = chunks_of(content) if isinstance(content, Path) else content
        return await self._writer.write(key, chunks, content_type, metadata or {})

    async def copy(self, source: str, target: str, *, match_etag: str, content_type: str | None = None) -> ObjectInfo:
        return await self._copier.copy(source, target, match_etag, content_type)

    async def promote(self, staged: ObjectInfo, target: str, *, content_type: str | None = None) -> ObjectInfo:
        return await self._copier.promote(staged, target, content_type)

    def is_reached_by(self, endpoint: str, access_key: str, secret_key: str) -> bool:
        """Whoever has this access has ours: what it reads in other buckets, we may copy."""
        given = "\n".join((endpoint.rstrip("/"), access_key, secret_key)).encode()
        return compare_digest(given, "\n".join(self._access).encode())

    async def copy_in(self, bucket: str, key: str, target: str, *, match_etag: str, content_type: str) -> ObjectInfo:
        """As `copy`, from another bucket that this store's access reaches. A cancelled call ends when the copy does."""
        copying = self._copier.copy(key, target, match_etag, content_type, bucket)
        return await uninterrupted(copying)

    async def delete(self, keys: Sequence[str]) -> None:
        await s3_object.delete(self._client, keys)

    def list(self, prefix: str, *, after: str = "") -> AsyncIterator[Sequence[ObjectInfo]]:
        return self._admin.list(prefix, after)

    def presign_put(
        self,
        key: str,
        *,
        expires_in: timedelta,
        headers: Mapping[str, str],
        content_length: int | None = None,
        now: datetime | None = None,
    ) -> str:
        bound = dict(headers) if content_length is None else {**headers, "content-length": str(content_length)}
        return self._presigner.url("PUT", key, expires_in=expires_in, headers=bound, now=now)

    def presign_get(self, key: str, *, expires_in: timedelta, content_type: str, disposition: str, cache_control: str) -> str:
        answered = {
            "response-cache-control": cache_control,
            "response-content-disposition": disposition,
            "response-content-type": content_type,
        }
        return self._read_presigner.url("GET", key, expires_in=expires_in, query=answered)

    async def start_multipart(self, key: str, *, content_type: str, metadata: Mapping[str, str] | None = None) -> str:
        starting = self._multipart.start(key, content_type, metadata or {})
        return await uninterrupted(starting)

    def presign_parts(
        self, key: str, multipart_id: str, numbers: Iterable[int], *, expires_in: timedelta, now: datetime | None = None
    ) -> Sequence[str]:
        return self._presigner.part_urls(key, multipart_id, numbers, expires_in=expires_in, now=now)

    async def list_parts(self, key: str, multipart_id: str) -> Sequence[Part]:
        return await self._multipart.parts(key, multipart_id)

    async def complete_multipart(self, key: str, multipart_id: str, parts: Sequence[Part]) -> ObjectInfo:
        check_parts(parts)
        try:
            return await uninterrupted(self._multipart.complete(key, multipart_id, parts))
        except MultipartNotFoundError:
            # An earlier call may have done it without being heard.
            found = await self.stat(key)
            if found is None or found.size_bytes != sum(part.size_bytes for part in parts):
                raise
            return found

    async def abort_multipart(self, key: str, multipart_id: str) -> None:
        await self._multipart.abort(key, multipart_id)

    def list_multiparts(self, prefix: str) -> AsyncIterator[Sequence[OpenMultipart]]:
        return self._multipart.uploads(prefix)
