"""Any S3-compatible service, through the `minio` SDK: synchronous, so only this adapter knows threads.

URLs are signed by our own `Presigner` (the SDK binds nothing but the host), with a key of their own where one is given.
"""

import asyncio
import socket
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from hmac import compare_digest
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import Any, ParamSpec, Self, TypeVar
from urllib.parse import parse_qs, unquote, urlsplit

import urllib3
from minio import Minio
from minio.commonconfig import REPLACE, ComposeSource, CopySource
from minio.deleteobjects import DeleteObject
from minio.error import MinioException
from minio.notificationconfig import NotificationConfig, PrefixFilterRule, QueueConfig
from urllib3.connection import HTTPConnection

from libs.object_store.port import (
    MultipartNotFoundError,
    ObjectChangedError,
    ObjectInfo,
    ObjectNotFoundError,
    OpenMultipart,
    Part,
    PeekedObject,
    StoreUnavailableError,
    check_parts,
)
from libs.object_store.presign import Presigner
from libs.object_store.s3_error import MISSING, StoreRefusedError, error_code, port_errors
from libs.object_store.s3_multipart import S3Multipart
from libs.object_store.s3_probe import allow_browsers, refuse_unsafe_store
from libs.object_store.s3_read import S3Reader
from libs.object_store.uninterrupted import uninterrupted

CHUNK_BYTES = 1024 * 1024
PART_BYTES = 8 * 1024 * 1024
"""Of what is written in parts; about two of them are in memory. 10,000 make 80 GB."""
COPY_LIMIT_BYTES = 5 * 1024**3
"""S3's limit for one CopyObject; beyond it parts are copied."""
COMPLETE_AGAIN_SECONDS = (0.1, 0.2, 0.4, 0.8)
CALLS, CALL_SECONDS = 16, 60
COPIES, COPY_SECONDS = 32, 900
"""At the same time, and how long the store may be silent. A copy inside the store answers when it is done, and not all stores
send something meanwhile."""
PAGE = 1000
_KEEPALIVE = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 30),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 10),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
)
_P = ParamSpec("_P")
_T = TypeVar("_T")


@dataclass(frozen=True)
class _Caller:
    """The SDK, its connections, and the threads that use them."""

    client: Minio
    http: urllib3.PoolManager
    threads: ThreadPoolExecutor

    @classmethod
    def of(cls, calls: int, *, read_seconds: float, **access: Any) -> Self:
        """As many `calls` at the same time. It notices within a minute that the other side is gone, however long that may
        take to answer."""
        http = urllib3.PoolManager(
            maxsize=calls,
            timeout=urllib3.Timeout(connect=5, read=read_seconds),
            retries=urllib3.Retry(total=2, backoff_factor=0.2, status_forcelist=[500, 502, 503, 504]),
            socket_options=[*HTTPConnection.default_socket_options, *_KEEPALIVE],
        )
        return cls(Minio(**access, http_client=http), http, ThreadPoolExecutor(calls, thread_name_prefix="s3-store"))

    async def run(self, work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Does blocking work in a thread; what the SDK raises becomes an error of the port."""

        def in_thread() -> _T:
            with port_errors():
                return work(*args, **kwargs)

        return await asyncio.get_running_loop().run_in_executor(self.threads, in_thread)

    async def close(self) -> None:
        await asyncio.to_thread(self.threads.shutdown, wait=True, cancel_futures=True)
        self.http.clear()


class S3Store:
    """`ObjectStore` in one bucket. Every failure that is not about an object is a StoreUnavailableError."""

    def __init__(
        self,
        caller: _Caller,
        copier: _Caller,
        bucket: str,
        presigner: Presigner,
        *,
        reader: S3Reader,
        probe: Presigner,
        access: tuple[str, str, str],
    ) -> None:
        """`access`: scheme, host and port; access key; secret key."""
        self._client = caller.client
        self._caller = caller
        self._copier = copier
        self._bucket = bucket
        self._presigner = presigner
        self._reader = reader
        self._probe = probe
        self._access = access
        self._multipart = S3Multipart(caller.client, bucket)

    @classmethod
    def from_url(cls, s3_url: str, public_url: str | None = None, presign_key: str | None = None) -> Self:
        """The forms of `s3_url`, `public_url` and `presign_key` are those of `ServiceSettings`."""
        parts = urlsplit(s3_url)
        bucket = parts.path.strip("/")
        if parts.scheme not in ("http", "https") or not parts.hostname or not bucket or not parts.username:
            raise ValueError("the S3 URL is not of the form http(s)://ACCESS_KEY:SECRET_KEY@host:port/bucket?region=…")
        access_key, secret_key = unquote(parts.username), unquote(parts.password or "")
        region = parse_qs(parts.query).get("region", ["us-east-1"])[0]
        netloc = parts.netloc.rpartition("@")[2]
        access = {"access_key": access_key, "secret_key": secret_key, "region": region}
        secure = parts.scheme == "https"
        caller = _Caller.of(CALLS, read_seconds=CALL_SECONDS, endpoint=netloc, secure=secure, **access)
        copier = _Caller.of(COPIES, read_seconds=COPY_SECONDS, endpoint=netloc, secure=secure, **access)
        signing_id, _, signing_secret = (presign_key or f"{access_key}:{secret_key}").partition(":")
        own = f"{parts.scheme}://{netloc}"
        public = f"{(public_url or own).rstrip('/')}/{bucket}"
        presigner = Presigner(public, signing_id, signing_secret, region)
        # A key that only takes uploads cannot read.
        reader = S3Reader(caller.client, bucket, Presigner(public, access_key, secret_key, region))
        probe = Presigner(f"{own}/{bucket}", signing_id, signing_secret, region)
        return cls(caller, copier, bucket, presigner, reader=reader, probe=probe, access=(own, access_key, secret_key))

    async def open(self) -> None:
        """Raises UnsafeStoreError for a store that would let a client's upload URL do more than it was signed for."""
        await self._run(self._make_bucket)
        await self._run(allow_browsers, self._client, self._bucket)
        await self._run(refuse_unsafe_store, self._client, self._caller.http, self._bucket, self._probe)

    async def close(self) -> None:
        await self._caller.close()
        await self._copier.close()

    async def announce(self, prefix: str, arn: str) -> None:
        """Makes the store send a notification to its target `arn` for every object that comes in below `prefix`."""
        rule = QueueConfig(queue=arn, events=["s3:ObjectCreated:*"], prefix_filter_rule=PrefixFilterRule(prefix))
        await self._run(self._make_bucket)
        await self._run(self._client.set_bucket_notification, self._bucket, NotificationConfig(queue_config_list=[rule]))

    async def check(self) -> None:
        if not await self._run(self._client.bucket_exists, bucket_name=self._bucket):
            raise StoreUnavailableError("the bucket does not exist")

    async def stat(self, key: str) -> ObjectInfo | None:
        try:
            return await self._run(self._reader.stat, key)
        except ObjectNotFoundError:
            return None

    async def peek(self, key: str, max_bytes: int) -> PeekedObject | None:
        return await self._run(self._reader.peek, key, max_bytes)

    async def read(
        self, key: str, *, start: int = 0, length: int | None = None, match_etag: str | None = None
    ) -> AsyncIterator[bytes]:
        response = await self._run(self._reader.get, key, start, length, match_etag)
        if response is None:
            return
        try:
            while chunk := await self._run(response.read, CHUNK_BYTES):
                yield chunk
            response.release_conn()
        finally:
            # Without this the rest of a body that nobody wants would be read by whoever gets the connection next.
            response.close()

    async def download(self, key: str, path: Path) -> None:
        await self._run(self._client.fget_object, bucket_name=self._bucket, object_name=key, file_path=str(path))

    async def write(
        self, key: str, content: Path | AsyncIterable[bytes], *, content_type: str, metadata: Mapping[str, str] | None = None
    ) -> ObjectInfo:
        if isinstance(content, Path):
            return await self._run(self._put_file, key, content, content_type, dict(metadata or {}))
        async with aclosing(_regrouped(content, PART_BYTES)) as pieces:
            first = await anext(pieces, b"")
            if len(first) < PART_BYTES:
                return await self._whole(self._put_bytes, key, first, content_type, dict(metadata or {}))
            return await self._write_in_parts(key, first, pieces, content_type, metadata or {})

    async def copy(self, source: str, target: str, *, match_etag: str, content_type: str | None = None) -> ObjectInfo:
        return await self._copier.run(self._copy, source, target, match_etag, content_type)

    def is_reached_by(self, endpoint: str, access_key: str, secret_key: str) -> bool:
        """Whoever has this access has ours: what it reads in other buckets, we may copy."""
        given = "\n".join((endpoint.rstrip("/"), access_key, secret_key)).encode()
        return compare_digest(given, "\n".join(self._access).encode())

    async def copy_in(self, bucket: str, key: str, target: str, *, match_etag: str, content_type: str) -> ObjectInfo:
        """As `copy`, from another bucket that this store's access reaches. A cancelled call ends when the copy does."""
        copying = self._copier.run(self._copy, key, target, match_etag, content_type, bucket)
        return await uninterrupted(asyncio.ensure_future(copying))

    async def delete(self, keys: Sequence[str]) -> None:
        await self._run(self._delete, keys)

    async def list(self, prefix: str, *, after: str = "") -> AsyncIterator[Sequence[ObjectInfo]]:
        found = self._client.list_objects(bucket_name=self._bucket, prefix=prefix, recursive=True, start_after=after or None)
        while page := await self._run(lambda: [_listed(entry) for entry in islice(found, PAGE)]):
            yield page

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
        return self._reader.presign_get(
            key, expires_in=expires_in, content_type=content_type, disposition=disposition, cache_control=cache_control
        )

    async def start_multipart(self, key: str, *, content_type: str, metadata: Mapping[str, str] | None = None) -> str:
        return await self._whole(self._multipart.start, key, content_type, metadata or {})

    def presign_part(
        self, key: str, multipart_id: str, number: int, *, expires_in: timedelta, now: datetime | None = None
    ) -> str:
        query = {"partNumber": str(number), "uploadId": multipart_id}
        return self._presigner.url("PUT", key, expires_in=expires_in, query=query, now=now)

    async def list_parts(self, key: str, multipart_id: str) -> Sequence[Part]:
        return await self._run(self._multipart.parts, key, multipart_id)

    async def complete_multipart(self, key: str, multipart_id: str, parts: Sequence[Part]) -> ObjectInfo:
        check_parts(parts)
        pauses = iter(COMPLETE_AGAIN_SECONDS)
        while True:
            try:
                return await self._whole(self._multipart.complete, key, multipart_id, parts)
            except MultipartNotFoundError:
                # An earlier call may have done it without being heard.
                found = await self.stat(key)
                if found is None or found.size_bytes != sum(part.size_bytes for part in parts):
                    raise
                return found
            except StoreRefusedError as error:
                # The text of CompleteMultipartUpload asks for another try after a 500, as another call at the same time causes;
                # it may also come in an answer that began with 200.
                pause = next(pauses, None)
                if pause is None or not error.may_pass:
                    raise
                await asyncio.sleep(pause)

    async def abort_multipart(self, key: str, multipart_id: str) -> None:
        await self._run(self._multipart.abort, key, multipart_id)

    async def list_multiparts(self, prefix: str) -> AsyncIterator[Sequence[OpenMultipart]]:
        found = self._multipart.uploads(prefix)
        while page := await self._run(lambda: list(islice(found, PAGE))):
            yield page

    async def _write_in_parts(
        self, key: str, first: bytes, more: AsyncIterator[bytes], content_type: str, metadata: Mapping[str, str]
    ) -> ObjectInfo:
        """A thread is needed only while a part goes out, however slowly the stream comes in."""
        multipart_id = await self.start_multipart(key, content_type=content_type, metadata=metadata)
        try:
            parts = [await self._whole(self._multipart.put, key, multipart_id, 1, first)]
            async for piece in more:
                parts.append(await self._whole(self._multipart.put, key, multipart_id, len(parts) + 1, piece))
            written = await self.complete_multipart(key, multipart_id, parts)
        except BaseException:
            with suppress(StoreUnavailableError):  # then it is found by whoever sweeps open multipart uploads
                await asyncio.shield(self.abort_multipart(key, multipart_id))
            raise
        return replace(written, content_type=content_type, metadata=metadata)

    async def _whole(self, work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """As `_run`, for what must be over before anything else is done about its key."""
        return await uninterrupted(asyncio.ensure_future(self._run(work, *args, **kwargs)))

    async def _run(self, work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        return await self._caller.run(work, *args, **kwargs)

    def _make_bucket(self) -> None:
        try:
            if not self._client.bucket_exists(bucket_name=self._bucket):
                self._client.make_bucket(bucket_name=self._bucket)
        except MinioException as error:
            # A key without the right to ask or to create is fine as long as it can use the bucket; the probe will see.
            if error_code(error) not in ("AccessDenied", "BucketAlreadyOwnedByYou"):
                raise

    def _put_file(self, key: str, path: Path, content_type: str, metadata: dict[str, Any]) -> ObjectInfo:
        result = self._client.fput_object(
            bucket_name=self._bucket,
            object_name=key,
            file_path=str(path),
            content_type=content_type,
            metadata=metadata,
            part_size=PART_BYTES,
            num_parallel_uploads=1,
        )
        return _written(key, result, path.stat().st_size, content_type, metadata)

    def _put_bytes(self, key: str, content: bytes, content_type: str, metadata: dict[str, Any]) -> ObjectInfo:
        result = self._client.put_object(
            bucket_name=self._bucket,
            object_name=key,
            data=BytesIO(content),
            length=len(content),
            content_type=content_type,
            metadata=metadata,
        )
        return _written(key, result, len(content), content_type, metadata)

    def _copy(
        self, source: str, target: str, match_etag: str, content_type: str | None, bucket: str | None = None
    ) -> ObjectInfo:
        found = self._reader.stat(source, bucket)
        if found.etag != match_etag:
            raise ObjectChangedError(source)
        kind = content_type or found.content_type or "application/octet-stream"
        metadata: dict[str, Any] = {**found.metadata, "Content-Type": kind}
        if found.size_bytes > COPY_LIMIT_BYTES:
            part = ComposeSource(bucket or self._bucket, source, match_etag=match_etag)
            result = self._copier.client.compose_object(
                bucket_name=self._bucket, object_name=target, sources=[part], metadata=metadata
            )
        else:
            result = self._copier.client.copy_object(
                bucket_name=self._bucket,
                object_name=target,
                source=CopySource(bucket or self._bucket, source, match_etag=match_etag),
                metadata=metadata,
                metadata_directive=REPLACE,
            )
        # Some servers ignore the condition: what was copied is `match_etag` only if that still lies there.
        if self._reader.stat(source, bucket).etag != match_etag:
            raise ObjectChangedError(source)
        return _written(target, result, found.size_bytes, kind, found.metadata)

    def _delete(self, keys: Sequence[str]) -> None:
        errors = self._client.remove_objects(bucket_name=self._bucket, delete_object_list=[DeleteObject(key) for key in keys])
        failed = [error.code for error in errors if error.code not in MISSING]
        if failed:
            raise StoreUnavailableError(f"{len(failed)} objects were not deleted: {failed[0]}")


async def _regrouped(chunks: AsyncIterable[bytes], size: int) -> AsyncGenerator[bytes]:
    """The same bytes in pieces of `size`, only the last one smaller."""
    held: list[bytes] = []
    held_bytes = 0
    async for chunk in chunks:
        held.append(chunk)
        held_bytes += len(chunk)
        if held_bytes >= size:
            whole = b"".join(held)
            for start in range(0, held_bytes - size + 1, size):
                yield whole[start : start + size]
            held = [whole[held_bytes - held_bytes % size :]]
            held_bytes %= size
    if held_bytes:
        yield b"".join(held)


def _listed(entry: Any) -> ObjectInfo:
    return ObjectInfo(entry.object_name, entry.size, entry.etag.strip('"'), entry.last_modified)


def _written(key: str, result: Any, size_bytes: int, content_type: str, metadata: Mapping[str, str]) -> ObjectInfo:
    """What is known without asking again; the time is the answer's."""
    date = result.http_headers.get("Date")
    at = parsedate_to_datetime(date) if date else datetime.now(UTC)
    return ObjectInfo(key, size_bytes, result.etag.strip('"'), at, content_type, metadata)
