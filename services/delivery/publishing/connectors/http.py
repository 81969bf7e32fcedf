"""A URL that takes files, by PUT or as a form. It knows repeated publications by their `Idempotency-Key`: their id.

https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, urljoin

import orjson

from contracts.account import HttpAccount
from contracts.events import JsonObject
from libs.egress.client import Answer, EgressError, GuardedClient
from libs.egress.upload import Content, UploadLimits, upload
from services.delivery.publishing.connectors.answer import PASSING_STATUSES, failure_of, is_success, no_answer
from services.delivery.publishing.connectors.port import Checkpoint, Entry, File
from services.delivery.publishing.domain.name import filled
from services.delivery.publishing.domain.outcome import Published

MAX_ID_CHARACTERS: Final = 500
PASSING: Final = PASSING_STATUSES | {409}
"""Of the draft: a request with the same key is still being worked on."""


@dataclass(frozen=True)
class HttpConnector:
    settings: HttpAccount
    client: GuardedClient
    limits: UploadLimits

    async def publish(self, entry: Entry, file: File, checkpoint: Checkpoint) -> Published:
        """As `Connector.publish`. The external id is `id` of a JSON answer, else its Location."""
        url = filled(self.settings.url, entry.names, encode=lambda value: quote(value, safe=""))
        headers = {name: value.get_secret_value() for name, value in self.settings.headers.items()}
        headers["Idempotency-Key"] = str(entry.publication_id)
        headers["Content-Type"], content = self._body(entry, file)
        try:
            answer = await upload(self.client, self.settings.method, url, content, headers=headers, limits=self.limits)
        except EgressError as error:
            raise no_answer(error) from None
        if not is_success(answer):
            raise failure_of(answer, passing=PASSING)
        return Published(_id_in(answer, url))

    async def give_up(self, entry: Entry, state: JsonObject | None) -> None:
        """Nothing of a request that failed is ours to remove."""

    def _body(self, entry: Entry, file: File) -> tuple[str, Content]:
        if self.settings.method == "PUT":
            return file.content_type, Content(file.size_bytes, file.read())
        boundary = f"longshore-{entry.publication_id.hex}"
        start, end = _form_around(boundary, self.settings.field, entry.file_name, file.content_type)
        size_bytes = len(start) + file.size_bytes + len(end)
        return f"multipart/form-data; boundary={boundary}", Content(size_bytes, _between(start, file, end))


async def _between(start: bytes, file: File, end: bytes) -> AsyncGenerator[bytes, None]:
    yield start
    async with aclosing(file.read()) as pieces:
        async for piece in pieces:
            yield piece
    yield end


def _form_around(boundary: str, field: str, file_name: str, content_type: str) -> tuple[bytes, bytes]:
    """What comes before and after the file: RFC 7578, names as https://html.spec.whatwg.org/#multipart-form-data says."""
    head = (
        f"--{boundary}\r\n"
        f'Content-Disposition: form-data; name="{_quoted(field)}"; filename="{_quoted(file_name)}"\r\n'
        f"Content-Type: {content_type}\r\n\r\n"
    )
    return head.encode(), f"\r\n--{boundary}--\r\n".encode()


def _quoted(name: str) -> str:
    return name.replace("\r", "%0D").replace("\n", "%0A").replace('"', "%22")


def _id_in(answer: Answer, url: str) -> str | None:
    try:
        told = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        told = None
    found = told.get("id") if isinstance(told, dict) else None
    if isinstance(found, str | int) and not isinstance(found, bool) and _is_text(str(found)):
        return str(found)[:MAX_ID_CHARACTERS]
    location = answer.headers.get("Location", "")
    try:
        return urljoin(url, location)[:MAX_ID_CHARACTERS] if _is_text(location) else None
    except ValueError:  # no address; the file is published all the same
        return None


def _is_text(told: str) -> bool:
    """What can be kept: a header may hold bytes that are no UTF-8, and no database takes NUL."""
    return bool(told) and "\0" not in told and not any("\ud800" <= character <= "\udfff" for character in told)
