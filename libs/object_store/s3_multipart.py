"""S3's calls for multipart uploads.

Source: "CompleteMultipartUpload", "ListParts", "ListMultipartUploads" and "UploadPartCopy", Amazon S3 API reference.
"""

import base64
import hashlib
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from xml.etree import ElementTree

from libs.object_store.port import MultipartNotFoundError, ObjectInfo, OpenMultipart, Part
from libs.object_store.s3_client import Body, S3Client, S3Request, until_done

_NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"


class S3Multipart:
    """Raises errors of the port."""

    def __init__(self, client: S3Client, page: int = 1000) -> None:
        self._client = client
        self._page = str(page)

    async def start(self, key: str, content_type: str, metadata: Mapping[str, str]) -> str:
        headers = {"Content-Type": content_type} | {f"x-amz-meta-{name}": value for name, value in metadata.items()}
        answer = await self._client.send(S3Request("POST", key, {"uploads": ""}, headers, is_repeatable=False))
        return _text(answer.xml(key), "UploadId")

    async def put(self, key: str, multipart_id: str, number: int, body: Body) -> Part:
        answer = await self._client.send(S3Request("PUT", key, _part_query(multipart_id, number), body=body))
        return Part(number, sum(len(piece) for piece in body), answer.etag)

    async def copy(self, key: str, multipart_id: str, number: int, size_bytes: int, headers: Mapping[str, str]) -> Part:
        """`headers` say what is copied."""
        request = S3Request("PUT", key, _part_query(multipart_id, number), headers)

        async def copy() -> Part:
            answer = await self._client.send(request)
            return Part(number, size_bytes, _text(answer.xml(key), "ETag").strip('"'))

        return await until_done(copy)

    async def parts(self, key: str, multipart_id: str) -> list[Part]:
        found: list[Part] = []
        query = {"uploadId": multipart_id, "max-parts": self._page}
        while True:
            page = (await self._client.send(S3Request("GET", key, query))).xml(key)
            found += [_part(element) for element in page.iterfind("{*}Part")]
            if _text(page, "IsTruncated") != "true":
                return found
            query["part-number-marker"] = _text(page, "NextPartNumberMarker")

    async def complete(self, key: str, multipart_id: str, parts: Sequence[Part]) -> ObjectInfo:
        """Its answer does not tell the content type and the metadata."""
        return await until_done(partial(self._complete, key, multipart_id, parts))

    async def abort(self, key: str, multipart_id: str) -> None:
        with suppress(MultipartNotFoundError):
            await self._client.send(S3Request("DELETE", key, {"uploadId": multipart_id}))

    async def uploads(self, prefix: str) -> AsyncIterator[Sequence[OpenMultipart]]:
        query = {"uploads": "", "max-uploads": self._page, "prefix": prefix}
        while True:
            try:
                page = (await self._client.send(S3Request("GET", "", query))).xml(prefix)
            except MultipartNotFoundError:  # is what rclone says where there never was one
                return
            if found := [_upload(element) for element in page.iterfind("{*}Upload")]:
                yield found
            if _text(page, "IsTruncated") != "true":
                return
            query["key-marker"] = _text(page, "NextKeyMarker")
            query["upload-id-marker"] = _text(page, "NextUploadIdMarker")

    async def _complete(self, key: str, multipart_id: str, parts: Sequence[Part]) -> ObjectInfo:
        body = _list(parts)
        headers = {"Content-Type": "application/xml", "Content-MD5": content_md5(body)}
        request = S3Request("POST", key, {"uploadId": multipart_id}, headers, [body], is_repeatable=False)
        answer = await self._client.send(request)
        etag = _text(answer.xml(key), "ETag").strip('"')
        return ObjectInfo(key, sum(part.size_bytes for part in parts), etag, answer.answered_at)


def content_md5(body: bytes) -> str:
    """As the header of that name."""
    return base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()


def _part_query(multipart_id: str, number: int) -> dict[str, str]:
    return {"partNumber": str(number), "uploadId": multipart_id}


def _text(element: ElementTree.Element, name: str) -> str:
    return element.findtext(f"{{*}}{name}") or ""


def _part(element: ElementTree.Element) -> Part:
    return Part(int(_text(element, "PartNumber")), int(_text(element, "Size")), _text(element, "ETag").strip('"'))


def _upload(element: ElementTree.Element) -> OpenMultipart:
    return OpenMultipart(
        _text(element, "Key"), _text(element, "UploadId"), datetime.fromisoformat(_text(element, "Initiated")).astimezone(UTC)
    )


def _list(parts: Sequence[Part]) -> bytes:
    root = ElementTree.Element("CompleteMultipartUpload", xmlns=_NAMESPACE)
    for part in parts:
        element = ElementTree.SubElement(root, "Part")
        ElementTree.SubElement(element, "PartNumber").text = str(part.number)
        ElementTree.SubElement(element, "ETag").text = f'"{part.etag}"'
    return ElementTree.tostring(root)
