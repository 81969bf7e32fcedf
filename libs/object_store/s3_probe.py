"""What an S3 service is asked at the start. Blocking: for worker threads.

In September 2026 a presigned PUT with an unsigned `x-amz-copy-source` header made several servers copy any object that the
signer may read (CVE-2026-97731 and its kin). Such a store would hand one tenant's files to another.
"""

import base64
import hashlib
from contextlib import suppress
from datetime import timedelta
from typing import Any
from uuid import uuid4

import structlog
import urllib3
from minio import Minio
from minio.deleteobjects import DeleteObject
from minio.error import MinioException

from libs.object_store.port import StoreUnavailableError
from libs.object_store.presign import Presigner
from libs.object_store.s3_error import error_code
from libs.object_store.s3_multipart import S3Multipart

log = structlog.get_logger()

_EXPIRY = timedelta(minutes=5)
_CORS = (
    b'<CORSConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><CORSRule><AllowedOrigin>*</AllowedOrigin>'
    b"<AllowedMethod>PUT</AllowedMethod><AllowedMethod>GET</AllowedMethod><AllowedMethod>HEAD</AllowedMethod>"
    b"<AllowedHeader>*</AllowedHeader><ExposeHeader>ETag</ExposeHeader><ExposeHeader>Accept-Ranges</ExposeHeader>"
    b"<ExposeHeader>Content-Range</ExposeHeader><MaxAgeSeconds>3600</MaxAgeSeconds></CORSRule></CORSConfiguration>"
)


class UnsafeStoreError(Exception):
    """The store honours headers on an upload URL that its signature does not cover; it must not be used."""

    code = "unsafe_store"


def allow_browsers(client: Minio, bucket: str) -> None:
    """Sets the bucket's CORS rules, where the store has such a thing; otherwise they are the operator's to set."""
    digest = base64.b64encode(hashlib.md5(_CORS, usedforsecurity=False).digest()).decode()
    headers: dict[str, Any] = {"Content-Type": "application/xml", "Content-MD5": digest}
    try:
        # The SDK has no method for it (7.2).
        client._execute("PUT", bucket, body=_CORS, headers=headers, query_params={"cors": ""})
    except MinioException as error:
        log.info("object_store.cors_not_set", error=error_code(error))


def refuse_unsafe_store(client: Minio, http: urllib3.PoolManager, bucket: str, presigner: Presigner) -> None:
    """Raises UnsafeStoreError, or StoreUnavailableError where not even an honest PUT to `staging/` works."""
    folder = f"staging/probe-{uuid4().hex}"
    source, target = f"{folder}/source", f"{folder}/target"
    multipart = S3Multipart(client, bucket)
    multipart_id = multipart.start(target, "text/plain", {})
    part = {"partNumber": "1", "uploadId": multipart_id}
    url = presigner.url("PUT", target, expires_in=_EXPIRY)
    part_url = presigner.url("PUT", target, query=part, expires_in=_EXPIRY)
    copy = ("x-amz-copy-source", f"/{bucket}/{source}")
    try:
        honest = presigner.url("PUT", source, expires_in=_EXPIRY)
        if (status := _put(http, honest, {}, b"probe")) != 200:
            raise StoreUnavailableError(f"the store answers a presigned PUT with {status}")
        for to, (name, value) in ((url, copy), (url, ("x-amz-meta-probe", "1")), (part_url, copy)):
            if _put(http, to, {name: value}, b"") < 300:
                raise UnsafeStoreError(f"the store honours an unsigned {name} header on an upload URL")
    finally:
        with suppress(MinioException, urllib3.exceptions.HTTPError, StoreUnavailableError):
            multipart.abort(target, multipart_id)
            list(client.remove_objects(bucket_name=bucket, delete_object_list=[DeleteObject(source), DeleteObject(target)]))


def _put(http: urllib3.PoolManager, url: str, headers: dict[str, str], body: bytes) -> int:
    return int(http.request("PUT", url, headers=headers, body=body, redirect=False).status)
