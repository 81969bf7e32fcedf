"""S3's calls for whole objects: looking one up, peeking into it, reading, deleting.

Source: "HeadObject", "GetObject" and "DeleteObjects", Amazon S3 API reference.
"""

from collections.abc import AsyncIterator, Sequence
from email.utils import parsedate_to_datetime
from itertools import islice
from typing import Final
from xml.etree import ElementTree

from libs.object_store.port import ObjectChangedError, ObjectInfo, PeekedObject, StoreUnavailableError
from libs.object_store.s3_client import Answer, S3Client, S3Request, read_piece
from libs.object_store.s3_error import MISSING, StoreRefusedError
from libs.object_store.s3_multipart import content_md5

DELETIONS: Final = 1000
"""S3's limit for one request."""
_META = "x-amz-meta-"


async def stat(client: S3Client, key: str, bucket: str | None = None) -> ObjectInfo:
    """Raises ObjectNotFoundError."""
    return _info(key, await client.send(S3Request("HEAD", key, bucket=bucket)))


async def peek(client: S3Client, key: str, max_bytes: int) -> PeekedObject:
    """One GET of the first bytes: its head tells the same as a HEAD. Raises ObjectNotFoundError."""
    if max_bytes:
        headers = {"Range": f"bytes=0-{max_bytes - 1}"}
        try:
            async with client.stream(S3Request("GET", key, headers=headers)) as response:
                content = bytearray()
                while len(content) <= max_bytes and (piece := await read_piece(response)):
                    content += piece
                info = _info(key, Answer(response.status, response.headers, b""))
        except StoreRefusedError as error:
            if error.s3_code != "InvalidRange":  # there is no first byte
                raise
        else:
            return PeekedObject(info, bytes(content) if len(content) == info.size_bytes <= max_bytes else None)
    info = await stat(client, key)
    return PeekedObject(info, None if info.size_bytes else b"")


async def read(client: S3Client, key: str, start: int, length: int | None, match_etag: str | None) -> AsyncIterator[bytes]:
    """Raises ObjectNotFoundError or ObjectChangedError before the first piece."""
    if length == 0:
        await stat(client, key)
        return
    headers = {"If-Match": f'"{match_etag}"'} if match_etag else {}
    if start or length is not None:
        headers["Range"] = f"bytes={start}-{'' if length is None else start + length - 1}"
    try:
        async with client.stream(S3Request("GET", key, headers=headers)) as response:
            # Some servers ignore the condition.
            if match_etag and response.headers.get("ETag", "").strip('"') != match_etag:
                raise ObjectChangedError(key)
            while piece := await read_piece(response):
                yield piece
    except StoreRefusedError as error:
        if error.s3_code != "InvalidRange":
            raise


async def delete(client: S3Client, keys: Sequence[str]) -> None:
    """A missing key is fine."""
    left = iter(keys)
    while batch := list(islice(left, DELETIONS)):
        body = _deletion(batch)
        headers = {"Content-Type": "application/xml", "Content-MD5": content_md5(body)}
        answer = await client.send(S3Request("POST", "", {"delete": ""}, headers, [body]))
        codes = [element.findtext("{*}Code") or "" for element in answer.xml("").iterfind("{*}Error")]
        if failed := [code for code in codes if code not in MISSING]:
            raise StoreUnavailableError(f"{len(failed)} objects were not deleted: {failed[0]}")


def _deletion(keys: Sequence[str]) -> bytes:
    root = ElementTree.Element("Delete", xmlns="http://s3.amazonaws.com/doc/2006-03-01/")
    ElementTree.SubElement(root, "Quiet").text = "true"
    for key in keys:
        ElementTree.SubElement(ElementTree.SubElement(root, "Object"), "Key").text = key
    return ElementTree.tostring(root)


def _info(key: str, answer: Answer) -> ObjectInfo:
    """Of a HEAD, or of a GET of all of the object or of a range of it."""
    headers = {name.lower(): value for name, value in answer.headers.items()}
    metadata = {name.removeprefix(_META): value for name, value in headers.items() if name.startswith(_META)}
    range_size = headers.get("content-range", "").rpartition("/")[2]
    changed = headers.get("last-modified")
    at = parsedate_to_datetime(changed) if changed else answer.answered_at
    size_bytes = int(range_size or headers.get("content-length", "0"))
    return ObjectInfo(key, size_bytes, answer.etag, at, headers.get("content-type"), metadata)
