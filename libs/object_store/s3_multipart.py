"""S3's calls for multipart uploads. Blocking: for worker threads.

The SDK has them as private methods only, and they take an error for a success (CompleteMultipartUpload may answer 200 and say
in its body that it failed) and lose half of the marker of a listing's next page (7.2). So what they answer is read here.

Source: "CompleteMultipartUpload", "ListParts" and "ListMultipartUploads", Amazon S3 API reference.
"""

import base64
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from xml.etree import ElementTree

from minio import Minio

from libs.object_store.port import MultipartNotFoundError, ObjectInfo, OpenMultipart, Part, StoreUnavailableError
from libs.object_store.s3_error import port_error, port_errors

_NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"


class S3Multipart:
    """Raises errors of the port."""

    def __init__(self, client: Minio, bucket: str, page: int = 1000) -> None:
        self._client = client
        self._bucket = bucket
        self._page = str(page)

    def start(self, key: str, content_type: str, metadata: Mapping[str, str]) -> str:
        headers = {"Content-Type": content_type} | {f"x-amz-meta-{name}": value for name, value in metadata.items()}
        return _text(_parsed(self._call("POST", key, {"uploads": ""}, headers=headers), key), "UploadId")

    def put(self, key: str, multipart_id: str, number: int, body: bytes) -> Part:
        query = {"partNumber": str(number), "uploadId": multipart_id}
        response = self._call("PUT", key, query, body=body)
        return Part(number, len(body), response.headers.get("ETag", "").strip('"'))

    def parts(self, key: str, multipart_id: str) -> list[Part]:
        found: list[Part] = []
        query = {"uploadId": multipart_id, "max-parts": self._page}
        while True:
            page = _parsed(self._call("GET", key, query), key)
            found += [_part(element) for element in page.iterfind("{*}Part")]
            if _text(page, "IsTruncated") != "true":
                return found
            query["part-number-marker"] = _text(page, "NextPartNumberMarker")

    def complete(self, key: str, multipart_id: str, parts: Sequence[Part]) -> ObjectInfo:
        """Its answer does not tell the content type and the metadata."""
        body = _list(parts)
        digest = base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()
        headers = {"Content-Type": "application/xml", "Content-MD5": digest}
        response = self._call("POST", key, {"uploadId": multipart_id}, headers=headers, body=body)
        etag = _text(_parsed(response, key), "ETag").strip('"')
        date = response.headers.get("Date")
        at = parsedate_to_datetime(date) if date else datetime.now(UTC)
        return ObjectInfo(key, sum(part.size_bytes for part in parts), etag, at)

    def abort(self, key: str, multipart_id: str) -> None:
        with suppress(MultipartNotFoundError):
            self._call("DELETE", key, {"uploadId": multipart_id})

    def uploads(self, prefix: str) -> Iterator[OpenMultipart]:
        query = {"uploads": "", "max-uploads": self._page, "prefix": prefix}
        while True:
            try:
                page = _parsed(self._call("GET", None, query), prefix)
            except MultipartNotFoundError:  # is what rclone says where there never was one
                return
            yield from [_upload(element) for element in page.iterfind("{*}Upload")]
            if _text(page, "IsTruncated") != "true":
                return
            query["key-marker"] = _text(page, "NextKeyMarker")
            query["upload-id-marker"] = _text(page, "NextUploadIdMarker")

    def _call(self, method: str, key: str | None, query: dict[str, Any], **options: Any) -> Any:
        with port_errors():
            return self._client._execute(method, self._bucket, key, query_params=query, **options)


def _parsed(response: Any, about: str) -> ElementTree.Element:
    """The answer's root element; an error in an answer of status 200 is raised."""
    try:
        root = ElementTree.fromstring(response.data.strip())  # noqa: S314  # of our own store; white space comes first where it took long
    except ElementTree.ParseError as error:
        raise StoreUnavailableError("the store's answer is no XML") from error
    if root.tag.rpartition("}")[2] == "Error":
        raise port_error(_text(root, "Code"), about)
    return root


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
