"""What an S3 service is asked at the start.

In September 2026 a presigned PUT with an unsigned `x-amz-copy-source` header made several servers copy any object that the
signer may read (CVE-2026-97731 and its kin). Such a store would hand one tenant's files to another.
"""

from contextlib import suppress
from datetime import timedelta
from uuid import uuid4

import structlog

from libs.object_store import s3_object
from libs.object_store.port import ObjectChangedError, StoreUnavailableError
from libs.object_store.presign import Presigner
from libs.object_store.s3_client import S3Client, S3Request
from libs.object_store.s3_error import StoreRefusedError
from libs.object_store.s3_multipart import S3Multipart, content_md5

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


async def allow_browsers(client: S3Client) -> None:
    """Sets the bucket's CORS rules, where the store has such a thing; otherwise they are the operator's to set."""
    headers = {"Content-Type": "application/xml", "Content-MD5": content_md5(_CORS)}
    try:
        await client.send(S3Request("PUT", "", {"cors": ""}, headers, [_CORS]))
    except StoreRefusedError as error:
        log.info("object_store.cors_not_set", error=error.s3_code)


async def probe(client: S3Client, presigner: Presigner) -> bool:
    """Whether the store refuses to copy another version than the one that is asked for.

    Raises UnsafeStoreError, or StoreUnavailableError where not even an honest PUT to `staging/` works.
    """
    folder = f"staging/probe-{uuid4().hex}"
    source, target = f"{folder}/source", f"{folder}/target"
    multipart = S3Multipart(client)
    multipart_id = await multipart.start(target, "text/plain", {})
    try:
        honest = presigner.url("PUT", source, expires_in=_EXPIRY)
        if (status := await client.put_presigned(honest, {}, b"probe")) != 200:
            raise StoreUnavailableError(f"the store answers a presigned PUT with {status}")
        await _refuse_unsafe_store(client, presigner, source, target, multipart_id)
        return await _is_condition_honoured(client, source, target)
    finally:
        with suppress(StoreUnavailableError):
            await multipart.abort(target, multipart_id)
            await s3_object.delete(client, [source, target])


async def _refuse_unsafe_store(client: S3Client, presigner: Presigner, source: str, target: str, multipart_id: str) -> None:
    part = {"partNumber": "1", "uploadId": multipart_id}
    url = presigner.url("PUT", target, expires_in=_EXPIRY)
    part_url = presigner.url("PUT", target, query=part, expires_in=_EXPIRY)
    copy = ("x-amz-copy-source", f"/{client.bucket}/{source}")
    for to, (name, value) in ((url, copy), (url, ("x-amz-meta-probe", "1")), (part_url, copy)):
        if await client.put_presigned(to, {name: value}, b"") < 300:
            raise UnsafeStoreError(f"the store honours an unsigned {name} header on an upload URL")


async def _is_condition_honoured(client: S3Client, source: str, target: str) -> bool:
    headers = {"x-amz-copy-source": f"/{client.bucket}/{source}", "x-amz-copy-source-if-match": f'"{uuid4().hex}"'}
    try:
        (await client.send(S3Request("PUT", target, headers=headers))).xml(target)
    except ObjectChangedError:
        return True
    except StoreUnavailableError as error:
        log.info("object_store.copies_not_probed", error=str(error))
    return False
