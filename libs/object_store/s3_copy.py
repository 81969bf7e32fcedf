"""Copies inside an S3 service, each of exactly one version of its source.

CopyObject is bound to the version (`x-amz-copy-source-if-match`). A store that is known to honour that condition (`s3_probe`)
is asked once. Of others the source is looked up before, and afterwards what was copied has to be proved: by the copy's ETag,
or, where a copy gets another one (as that of an object which came in parts), by looking up the source once more.

Source: "CopyObject" and "UploadPartCopy", Amazon S3 API reference.
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import Final
from urllib.parse import quote

from libs.object_store import s3_object
from libs.object_store.port import (
    ObjectChangedError,
    ObjectInfo,
    ObjectNotFoundError,
    Part,
    StoreUnavailableError,
)
from libs.object_store.s3_client import S3Client, S3Request, until_done
from libs.object_store.s3_multipart import S3Multipart

COPY_LIMIT_BYTES: Final = 5 * 1024**3
"""S3's limit for one CopyObject; beyond it parts are copied."""
COPY_PART_BYTES: Final = 1024**3
_PARTS_AT_ONCE = 4
_DEFAULT_TYPE = "application/octet-stream"


class S3Copier:
    """`client` waits long enough: a store answers when the copy is done, and not all send something meanwhile."""

    def __init__(self, client: S3Client) -> None:
        self._client = client
        self._multipart = S3Multipart(client)
        self.is_condition_honoured = False
        """Whether the store is known to refuse a copy of another version."""

    async def copy(
        self, source: str, target: str, match_etag: str, content_type: str | None, bucket: str | None = None
    ) -> ObjectInfo:
        """From `bucket`, or from the store's own. Raises ObjectNotFoundError or ObjectChangedError."""
        found = await self._stat(source, match_etag, bucket)
        return await self._copy(found, target, content_type or found.content_type or _DEFAULT_TYPE, found.metadata, bucket)

    async def promote(self, staged: ObjectInfo, target: str, content_type: str | None) -> ObjectInfo:
        """One request, of a store that honours conditions, as long as the type stays as it is.

        Raises ObjectNotFoundError or ObjectChangedError.
        """
        keeps_type = content_type in (None, staged.content_type)
        try:
            if keeps_type and self.is_condition_honoured and staged.size_bytes <= COPY_LIMIT_BYTES:
                return await self._copy(staged, target, staged.content_type, None)
            return await self.copy(staged.key, target, staged.etag, content_type)
        except (ObjectNotFoundError, ObjectChangedError) as error:
            promoted = await self._promoted(staged, target, is_gone=isinstance(error, ObjectNotFoundError))
            if promoted is None:
                raise
            return promoted

    async def _promoted(self, staged: ObjectInfo, target: str, *, is_gone: bool) -> ObjectInfo | None:
        """What an earlier call may have made of it before the staged object was deleted, or replaced by another one."""
        with suppress(ObjectNotFoundError):
            found = await s3_object.stat(self._client, target)
            if found.etag == staged.etag or (is_gone and found.size_bytes == staged.size_bytes):
                return found
        return None

    async def _copy(
        self,
        version: ObjectInfo,
        target: str,
        content_type: str | None,
        metadata: Mapping[str, str] | None,
        bucket: str | None = None,
    ) -> ObjectInfo:
        """`metadata` None: type and metadata stay as they are."""
        source = {
            "x-amz-copy-source": quote(f"/{bucket or self._client.bucket}/{version.key}", safe="/-_.~"),
            "x-amz-copy-source-if-match": f'"{version.etag}"',
        }
        if version.size_bytes > COPY_LIMIT_BYTES:
            copied = await self._copy_in_parts(version, target, content_type or _DEFAULT_TYPE, metadata or {}, source)
            is_sure = False  # the probe has not seen how parts are copied
        else:
            copied = await self._copy_whole(version, target, content_type, metadata, source)
            is_sure = self.is_condition_honoured or copied.etag == version.etag
        if not is_sure:
            await self._stat(version.key, version.etag, bucket)
        return copied

    async def _copy_whole(
        self,
        version: ObjectInfo,
        target: str,
        content_type: str | None,
        metadata: Mapping[str, str] | None,
        source: Mapping[str, str],
    ) -> ObjectInfo:
        headers = dict(source)
        if metadata is not None:
            headers |= {"x-amz-metadata-directive": "REPLACE", "Content-Type": content_type or _DEFAULT_TYPE}
            headers |= {f"x-amz-meta-{name}": value for name, value in metadata.items()}

        async def copy() -> ObjectInfo:
            answer = await self._client.send(S3Request("PUT", target, headers=headers))
            result = answer.xml(version.key)
            changed = result.findtext("{*}LastModified")
            at = datetime.fromisoformat(changed) if changed else answer.answered_at
            etag = (result.findtext("{*}ETag") or "").strip('"')
            kept = version.metadata if metadata is None else metadata
            return ObjectInfo(target, version.size_bytes, etag, at, content_type, kept)

        return await until_done(copy)

    async def _stat(self, key: str, match_etag: str, bucket: str | None) -> ObjectInfo:
        found = await s3_object.stat(self._client, key, bucket)
        if found.etag != match_etag:
            raise ObjectChangedError(key)
        return found

    async def _copy_in_parts(
        self, version: ObjectInfo, target: str, content_type: str, metadata: Mapping[str, str], source: Mapping[str, str]
    ) -> ObjectInfo:
        multipart_id = await self._multipart.start(target, content_type, metadata)
        copying = asyncio.Semaphore(_PARTS_AT_ONCE)

        async def copy(number: int, start: int) -> Part:
            size = min(COPY_PART_BYTES, version.size_bytes - start)
            span = {"x-amz-copy-source-range": f"bytes={start}-{start + size - 1}"}
            async with copying:
                return await self._multipart.copy(target, multipart_id, number, size, {**source, **span})

        starts = range(0, version.size_bytes, COPY_PART_BYTES)
        tasks = [asyncio.create_task(copy(number, start)) for number, start in enumerate(starts, 1)]
        try:
            copied = await self._multipart.complete(target, multipart_id, await asyncio.gather(*tasks))
        except BaseException:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            with suppress(StoreUnavailableError):  # then it is found by whoever sweeps open multipart uploads
                await asyncio.shield(self._multipart.abort(target, multipart_id))
            raise
        return replace(copied, content_type=content_type, metadata=metadata)
