"""Waits until YouTube has made a video of what it got, or says that it will not.

https://developers.google.com/youtube/v3/docs/videos#status.uploadStatus
"""

import asyncio
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from services.delivery.publishing.connectors.answer import is_success
from services.delivery.publishing.connectors.youtube.api import YouTubeApi, failure, json_of, unintelligible
from services.delivery.publishing.domain.error import PublishError

State = Literal["processed", "refused", "working", "missing"]

_WORD = re.compile(r"[A-Za-z]{1,60}")


@dataclass(frozen=True)
class Patience:
    seconds: float
    """For one attempt; the next one goes on waiting."""
    first_pause_seconds: float = 2.0
    longest_pause_seconds: float = 30.0
    """Each question costs a unit of the project's 10,000 a day."""

    def pauses(self) -> Iterator[float]:
        pause = self.first_pause_seconds
        while True:
            yield pause
            pause = min(2 * pause, self.longest_pause_seconds)


class Processing:
    def __init__(self, api: YouTubeApi, video_id: str) -> None:
        self._api = api
        self._video_id = video_id

    async def end(self, patience: Patience) -> None:
        """Returns when the video can be seen. Raises PublishError otherwise; its message names the video."""
        clock = asyncio.get_running_loop().time
        ends_at = clock() + patience.seconds
        for pause in patience.pauses():
            state, reason = await self._asked()
            if state == "processed":
                return
            if state == "refused":
                raise PublishError("destination_rejected", f"YouTube does not show the video {self._video_id} ({reason}).")
            if clock() + pause > ends_at:
                raise self._late(state)
            await asyncio.sleep(pause)

    def _late(self, state: State) -> PublishError:
        if state == "missing":
            return PublishError("destination_rejected", f"The video {self._video_id} is not on YouTube any more.")
        message = f"YouTube has the video {self._video_id} and is still processing it."
        return PublishError("destination_timeout", message, may_pass=True)

    async def _asked(self) -> tuple[State, str]:
        url = self._api.url("/youtube/v3/videos", part="status,processingDetails", id=self._video_id)
        try:
            answer = await self._api.ask("GET", url)
            if not is_success(answer):
                raise failure(answer)
        except PublishError as error:
            raise PublishError(
                error.code, f"{error} YouTube has the video {self._video_id}; whether it shows it could not be asked.",
                may_pass=error.may_pass, retry_after_seconds=error.retry_after_seconds, unreached=error.unreached,
            ) from None  # fmt: skip
        told = json_of(answer)
        if not isinstance(told, dict) or not isinstance(items := told.get("items"), list):
            raise unintelligible()
        return _state(items[0]) if items else ("missing", "")


def _state(video: Any) -> tuple[State, str]:
    status, details = _part(video, "status"), _part(video, "processingDetails")
    match status.get("uploadStatus"), details.get("processingStatus"):
        case "processed", _:
            return "processed", ""
        case ("failed" | "rejected" | "deleted") as word, _:
            return "refused", _words(word, status.get("failureReason") or status.get("rejectionReason"))
        case _, ("failed" | "terminated") as word:
            return "refused", _words(word, details.get("processingFailureReason"))
        case _:
            return "working", ""


def _part(video: Any, name: str) -> dict[str, Any]:
    part = video.get(name) if isinstance(video, dict) else None
    return part if isinstance(part, dict) else {}


def _words(word: str, reason: object) -> str:
    """The API's own words alone."""
    return f"{word}, {reason}" if isinstance(reason, str) and _WORD.fullmatch(reason) else word
