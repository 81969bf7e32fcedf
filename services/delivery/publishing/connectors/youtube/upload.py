"""The resumable upload of one file, from wherever an earlier attempt left it.

What is saved of it: `session`, its URI, which is worth as much as a password, and `finishing`, true from the moment that the
last byte may go out.
"""

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import urljoin

import orjson
from yarl import URL

from contracts.events import JsonObject
from libs.egress.client import Answer
from libs.egress.upload import Content
from services.delivery.publishing.connectors.answer import is_success
from services.delivery.publishing.connectors.port import Checkpoint, File
from services.delivery.publishing.connectors.youtube.api import YouTubeApi, content_of, failure, json_of, unintelligible
from services.delivery.publishing.domain.error import PublishError

QUANTUM_BYTES: Final = 256 * 1024
"""Every chunk but the last is a multiple of it."""
CHUNK_BYTES: Final = 64 * QUANTUM_BYTES
INCOMPLETE: Final = 308
GONE_STATUSES: Final = frozenset({404, 410})
UNKNOWN_TYPE: Final = "application/octet-stream"

_RANGE = re.compile(r"bytes=0-([0-9]{1,18})")
_VIDEO_ID = re.compile(r"[A-Za-z0-9_-]{1,100}")


@dataclass(frozen=True)
class _Progress:
    received_bytes: int
    video_id: str | None = None


class ResumableUpload:
    def __init__(self, api: YouTubeApi, file: File, checkpoint: Checkpoint, *, chunk_bytes: int = CHUNK_BYTES) -> None:
        if chunk_bytes % QUANTUM_BYTES:
            raise ValueError("a chunk is a multiple of 256 KiB")
        self._api = api
        self._file = file
        self._checkpoint = checkpoint
        self._chunk_bytes = chunk_bytes

    async def video_id(self, resource: JsonObject, *, notify_subscribers: bool) -> str:
        """Sends what YouTube does not have yet; the id of the video that it makes of it.

        Raises:
            PublishError, and what reading the file raises.
        """
        state = self._checkpoint.state or {}
        if "session" in state:
            session = URL(state["session"], encoded=True)
            progress = await self._asked(session, finishing=state["finishing"])
        else:
            session, progress = await self._begun(resource, notify_subscribers), _Progress(0)
        while progress.video_id is None:
            progress = await self._put(session, progress.received_bytes)
        return progress.video_id

    async def _begun(self, resource: JsonObject, notify_subscribers: bool) -> URL:
        """Step 1 and 2: an answer that is lost leaves a session without bytes, and that no video."""
        query = {"uploadType": "resumable", "part": ",".join(resource)}
        if not notify_subscribers:
            query["notifySubscribers"] = "false"
        body = orjson.dumps(resource)
        headers = {
            "Content-Type": "application/json; charset=UTF-8",
            "X-Upload-Content-Length": str(self._file.size_bytes),
            "X-Upload-Content-Type": self._type,
        }
        url = self._api.url("/upload/youtube/v3/videos", **query)
        answer = await self._api.ask("POST", url, lambda: content_of(body), headers)
        if not is_success(answer):
            raise failure(answer)
        session = urljoin(str(url), answer.headers.get("Location", ""))
        if "Location" not in answer.headers or not session.startswith(f"{url.scheme}://"):
            raise unintelligible()  # the token goes along to the session: never from https to http
        await self._save(session, finishing=False)
        return URL(session, encoded=True)

    async def _asked(self, session: URL, *, finishing: bool) -> _Progress:
        """Step 4.1: how much of it has arrived, or what has become of it."""
        headers = {"Content-Range": f"bytes */{self._file.size_bytes}"}
        answer = await self._api.ask("PUT", session, headers=headers)
        progress = await self._progress(answer, finishing=finishing, sent_bytes=self._file.size_bytes)
        if finishing and progress.video_id is None:
            await self._save(str(session), finishing=False)  # now we know that the last byte has not arrived
        return progress

    async def _put(self, session: URL, start: int) -> _Progress:
        """Step 3: the next chunk. YouTube may keep only its beginning."""
        length = min(self._chunk_bytes, self._file.size_bytes - start)
        end = start + length
        if end == self._file.size_bytes:
            await self._save(str(session), finishing=True)
        headers = {"Content-Type": self._type, "Content-Range": f"bytes {start}-{end - 1}/{self._file.size_bytes}"}
        answer = await self._api.ask("PUT", session, lambda: Content(length, self._file.read(start, length)), headers)
        progress = await self._progress(answer, finishing=False, sent_bytes=end)
        if progress.video_id is None and progress.received_bytes <= start:
            raise PublishError("destination_unavailable", "The destination takes nothing of the file.", may_pass=True)
        return progress

    async def _progress(self, answer: Answer, *, finishing: bool, sent_bytes: int) -> _Progress:
        """What the session says. `finishing`: an earlier request may have brought the last byte."""
        if answer.status == INCOMPLETE:
            received_bytes = _received(answer)
            if received_bytes > sent_bytes:
                raise unintelligible()
            if received_bytes == self._file.size_bytes:
                message = "The destination has the whole file and has not made a video of it yet."
                raise PublishError("destination_unavailable", message, may_pass=True)
            return _Progress(received_bytes)
        if is_success(answer):
            return _Progress(self._file.size_bytes, _video_id(answer))
        if answer.status in GONE_STATUSES:
            raise await self._gone(finishing)
        raise failure(answer)

    async def _gone(self, finishing: bool) -> PublishError:
        """The session has ended. Without its last byte there is no video: begin again. With it there may be one."""
        if finishing:
            message = "YouTube may have the video: its answer was lost and the upload's session has ended. Look at the channel."
            return PublishError("destination_outcome_unknown", message)
        await self._checkpoint.save({})
        return PublishError("destination_unavailable", "The destination has ended the upload's session.", may_pass=True)

    async def _save(self, session: str, *, finishing: bool) -> None:
        await self._checkpoint.save({"session": session, "finishing": finishing})

    @property
    def _type(self) -> str:
        """YouTube takes `video/*` and what is not known."""
        return self._file.content_type if self._file.content_type.startswith("video/") else UNKNOWN_TYPE


def _received(answer: Answer) -> int:
    """Of 308. Raises PublishError."""
    told = answer.headers.get("Range")
    if told is None:
        return 0
    found = _RANGE.fullmatch(told)
    if found is None:
        raise unintelligible()
    return int(found[1]) + 1


def _video_id(answer: Answer) -> str:
    """Raises PublishError; the session tells it again."""
    told = json_of(answer)
    found = told.get("id") if isinstance(told, dict) else None
    if not isinstance(found, str) or not _VIDEO_ID.fullmatch(found):
        raise unintelligible()
    return found
