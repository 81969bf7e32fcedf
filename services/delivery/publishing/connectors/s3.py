"""A bucket of any S3-compatible service, over the guarded client: its address is the customer's word.

Requests are signed in their query (`libs.object_store.presign`) and streamed from our store. The key is made of the
publication's id: an object of the file's size that lies there is this publication, made by an attempt whose end nobody heard.
Large files go up in parts, so that a cut costs one part: which are there is noted after each.

Source: "Uploading and copying objects using multipart upload", Amazon S3 user guide.
"""

import html
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

from yarl import URL

from contracts.account import S3Account
from contracts.events import JsonObject
from libs.egress.client import Answer, EgressError, GuardedClient
from libs.egress.upload import Content, UploadLimits, upload
from libs.object_store.presign import Presigner
from services.delivery.publishing.connectors.answer import failure_of, is_success, no_answer
from services.delivery.publishing.connectors.port import Checkpoint, Entry, File
from services.delivery.publishing.domain.error import PublishError
from services.delivery.publishing.domain.name import filled
from services.delivery.publishing.domain.outcome import Published

PART_BYTES: Final = 16 * 1024 * 1024
MAX_PARTS: Final = 10_000
SIGNED_FOR: Final = timedelta(hours=12)
"""Longer than any request may take to start."""
MISSING: Final = 404
CREDENTIAL_CODES: Final = frozenset({
    "AccessDenied", "AccountProblem", "AllAccessDisabled", "ExpiredToken", "InvalidAccessKeyId", "InvalidSecurity",
    "InvalidToken", "SignatureDoesNotMatch",
})  # fmt: skip
PASSING_CODES: Final = frozenset({
    "InternalError", "OperationAborted", "RequestTimeout", "RequestTimeTooSkewed", "ServiceUnavailable", "SlowDown",
})  # fmt: skip
GONE_CODES: Final = frozenset({"InvalidPart", "InvalidPartOrder", "NoSuchUpload"})
"""What we know of the parts is not true (any more): begin again."""

_CODE = re.compile(r"<Code>(\w{1,60})</Code>")
_UPLOAD_ID = re.compile(r"<UploadId>([^<]{1,1000})</UploadId>")


class S3Connector:
    def __init__(
        self, settings: S3Account, client: GuardedClient, limits: UploadLimits, *, part_bytes: int = PART_BYTES
    ) -> None:
        bucket = f"{settings.endpoint}/{settings.bucket}"
        self._signer = Presigner(bucket, settings.access_key, settings.secret_key.get_secret_value(), settings.region)
        self._settings = settings
        self._client = client
        # The answer to a completion may take as long as the store takes to put the parts together.
        self._limits = replace(limits, body_seconds=limits.idle_seconds)
        self._part_bytes = part_bytes

    async def publish(self, entry: Entry, file: File, checkpoint: Checkpoint) -> Published:
        """As `Connector.publish`. The external id is the object's key."""
        key = filled(self._settings.key, entry.names)
        if not await self._is_there(key, file):
            if file.size_bytes <= self._part_bytes:
                content = Content(file.size_bytes, file.read())
                await self._ask("PUT", key, content=content, headers={"content-type": file.content_type})
            else:
                await self._in_parts(key, file, checkpoint)
        return Published(key)

    async def give_up(self, entry: Entry, state: JsonObject | None) -> None:
        if progress := _Progress.of(state):
            key = filled(self._settings.key, entry.names)
            await self._ask("DELETE", key, query={"uploadId": progress.upload_id})

    async def _is_there(self, key: str, file: File) -> bool:
        """Keys that may only write get another answer than yes or no: then it is written again."""
        answer = await self._answer("HEAD", key)
        if answer.status >= 500:
            raise failure_of(answer)
        return is_success(answer) and answer.headers.get("Content-Length") == str(file.size_bytes)

    # ------------------------------------------------------------ parts

    async def _in_parts(self, key: str, file: File, checkpoint: Checkpoint) -> None:
        progress = _Progress.of(checkpoint.state) or await self._begun(key, file, checkpoint)
        try:
            while (start := len(progress.etags) * progress.part_bytes) < file.size_bytes:
                length = min(progress.part_bytes, file.size_bytes - start)
                progress = progress.with_part(await self._put_part(key, file, progress, start, length))
                await checkpoint.save(progress.state())
            await self._complete(key, progress)
        except _PartsGoneError:
            await checkpoint.save({})
            message = "The destination has lost the parts that it had."
            raise PublishError("destination_unavailable", message, may_pass=True) from None

    async def _begun(self, key: str, file: File, checkpoint: Checkpoint) -> "_Progress":
        answer = await self._ask("POST", key, query={"uploads": ""}, headers={"content-type": file.content_type})
        found = _UPLOAD_ID.search(answer.body.decode(errors="replace"))
        if found is None:
            raise _unintelligible()
        part_bytes = max(self._part_bytes, -(-file.size_bytes // MAX_PARTS))
        progress = _Progress(html.unescape(found[1]), part_bytes, ())
        await checkpoint.save(progress.state())
        return progress

    async def _put_part(self, key: str, file: File, progress: "_Progress", start: int, length: int) -> str:
        query = {"partNumber": str(len(progress.etags) + 1), "uploadId": progress.upload_id}
        answer = await self._ask("PUT", key, query=query, content=Content(length, file.read(start, length)))
        if not (etag := answer.headers.get("ETag")):
            raise _unintelligible()
        return etag

    async def _complete(self, key: str, progress: "_Progress") -> None:
        parts = "".join(
            f"<Part><PartNumber>{number}</PartNumber><ETag>{html.escape(etag, quote=False)}</ETag></Part>"
            for number, etag in enumerate(progress.etags, start=1)
        )
        body = f"<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>".encode()
        content = Content(len(body), _once(body))
        answer = await self._ask("POST", key, query={"uploadId": progress.upload_id}, content=content)
        # The head of the answer comes before the store has put the parts together: only its end says that it has.
        if b"CompleteMultipartUploadResult" not in answer.body:
            raise _unintelligible()

    # ------------------------------------------------------------ requests

    async def _ask(
        self,
        method: str,
        key: str,
        *,
        query: Mapping[str, str] | None = None,
        content: Content | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """A success. Raises PublishError and _PartsGoneError; a success may turn out to be none in its body."""
        answer = await self._answer(method, key, query=query, content=content, headers=headers)
        found = _CODE.search(answer.body.decode(errors="replace"))
        if is_success(answer) and found is None:
            return answer
        raise _failure(answer, found[1] if found else None)

    async def _answer(
        self,
        method: str,
        key: str,
        *,
        query: Mapping[str, str] | None = None,
        content: Content | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        signed = self._signer.url(method, key, expires_in=SIGNED_FOR, headers=headers, query=query)
        body = content or Content(0, _once(b""))
        try:
            url = URL(signed, encoded=True)
            return await upload(self._client, method, url, body, headers=headers or {}, limits=self._limits)
        except EgressError as error:
            raise no_answer(error) from None


class _PartsGoneError(Exception):
    """The multipart upload, or a part of it, is not there."""


@dataclass(frozen=True)
class _Progress:
    """Of one multipart upload; parts go up one after the other."""

    upload_id: str
    part_bytes: int
    etags: tuple[str, ...]

    @classmethod
    def of(cls, state: JsonObject | None) -> "_Progress | None":
        if not state:
            return None
        return cls(state["upload_id"], state["part_bytes"], tuple(state["etags"]))

    def with_part(self, etag: str) -> "_Progress":
        return replace(self, etags=(*self.etags, etag))

    def state(self) -> JsonObject:
        return {"upload_id": self.upload_id, "part_bytes": self.part_bytes, "etags": list(self.etags)}


def _failure(answer: Answer, code: str | None) -> Exception:
    if code in GONE_CODES:
        return _PartsGoneError()
    if code in CREDENTIAL_CODES:
        return PublishError("destination_unauthorized", f"The destination does not accept the account's credentials ({code}).")
    if code in PASSING_CODES or is_success(answer):
        return PublishError("destination_unavailable", f"The destination cannot take the file now ({code}).", may_pass=True)
    return failure_of(answer, code)


def _unintelligible() -> PublishError:
    message = "The destination does not answer as an S3 service does."
    return PublishError("destination_unavailable", message, may_pass=True)


async def _once(body: bytes) -> AsyncIterator[bytes]:
    yield body
