"""Reading an S3 service's objects. Blocking: for worker threads, where what the SDK raises becomes an error of the port."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from minio import Minio
from minio.error import MinioException

from libs.object_store.port import ObjectChangedError, ObjectInfo, PeekedObject
from libs.object_store.presign import Presigner
from libs.object_store.s3_error import MISSING, error_code

_META = "x-amz-meta-"


class S3Reader:
    def __init__(self, client: Minio, bucket: str, presigner: Presigner) -> None:
        """`presigner` signs for the address that clients use, with a key that may read."""
        self._client = client
        self._bucket = bucket
        self._presigner = presigner

    def stat(self, key: str, bucket: str | None = None) -> ObjectInfo:
        return _info(self._client.stat_object(bucket_name=bucket or self._bucket, object_name=key))

    def peek(self, key: str, max_bytes: int) -> PeekedObject | None:
        """One GET of the first bytes: its head tells the same as a HEAD."""
        try:
            response = self.get(key, 0, max_bytes)
            if response is None:  # there is no first byte, or none was asked for
                info = self.stat(key)
                return PeekedObject(info, None if info.size_bytes else b"")
        except MinioException as error:
            if error_code(error) in MISSING:
                return None
            raise
        try:
            content = response.read()
            info = _received(key, response.headers)
        finally:
            response.close()
            response.release_conn()
        return PeekedObject(info, content if len(content) == info.size_bytes else None)

    def get(self, key: str, start: int, length: int | None, match_etag: str | None = None) -> Any:
        """The open response; None where there is no such range."""
        if length == 0:
            self.stat(key)
            return None
        headers: dict[str, Any] = {"If-Match": f'"{match_etag}"'} if match_etag else {}
        try:
            response = self._client.get_object(
                bucket_name=self._bucket, object_name=key, offset=start, length=length or 0, request_headers=headers
            )
        except MinioException as error:
            if error_code(error) == "InvalidRange":
                return None
            raise
        # Some servers ignore the condition.
        if match_etag and response.headers.get("ETag", "").strip('"') != match_etag:
            response.close()
            raise ObjectChangedError(key)
        return response

    def presign_get(self, key: str, *, expires_in: timedelta, content_type: str, disposition: str, cache_control: str) -> str:
        answered = {
            "response-cache-control": cache_control,
            "response-content-disposition": disposition,
            "response-content-type": content_type,
        }
        return self._presigner.url("GET", key, expires_in=expires_in, query=answered)


def _info(entry: Any) -> ObjectInfo:
    """Of a HEAD."""
    headers = {name.lower(): value for name, value in entry.metadata.items()}
    return ObjectInfo(entry.object_name, entry.size, entry.etag, entry.last_modified, entry.content_type, _metadata(headers))


def _received(key: str, headers: Mapping[str, str]) -> ObjectInfo:
    """Of a GET, all of the object or a range of it."""
    lower = {name.lower(): value for name, value in headers.items()}
    size = lower["content-range"].rpartition("/")[2] if "content-range" in lower else lower["content-length"]
    at = parsedate_to_datetime(lower["last-modified"]) if "last-modified" in lower else datetime.now(UTC)
    return ObjectInfo(key, int(size), lower.get("etag", "").strip('"'), at, lower.get("content-type"), _metadata(lower))


def _metadata(headers: Mapping[str, str]) -> dict[str, str]:
    """Of lower-case names."""
    return {name.removeprefix(_META): value for name, value in headers.items() if name.startswith(_META)}
