"""Requests to YouTube in one account's name, and what its errors mean."""

import re
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson
from yarl import URL

from contracts.account import YouTubeAccount
from libs.egress.client import Answer, EgressError, GuardedClient
from libs.egress.upload import Content, UploadLimits, upload
from services.delivery.publishing.connectors.answer import failure_of, no_answer, phrase
from services.delivery.publishing.connectors.youtube.token import AccessTokens
from services.delivery.publishing.domain.error import PublishError

UNAUTHORIZED: Final = 401
QUOTA_REASONS: Final = frozenset({"dailyLimitExceeded", "quotaExceeded", "uploadLimitExceeded"})
"""Of the project's day, or the channel's; they pass with time."""
QUOTA_SECONDS: Final = 86400.0
PASSING_REASONS: Final = frozenset({
    "backendError", "internalError", "rateLimitExceeded", "servingLimitExceeded", "userRateLimitExceeded",
})  # fmt: skip
REFUSAL_REASONS: Final = frozenset({"forbiddenEmbedSetting", "forbiddenLicenseSetting", "forbiddenPrivacySetting"})
"""403 that are about the video, not about the account."""

_REASON = re.compile(r"[A-Za-z]{1,60}")


@dataclass(frozen=True)
class YouTubeApi:
    account: YouTubeAccount
    tokens: AccessTokens
    client: GuardedClient
    limits: UploadLimits
    origin: str
    """`https://www.googleapis.com`, or what stands for it."""

    def url(self, path: str, **query: str) -> URL:
        return URL(self.origin + path).with_query(query)

    async def ask(
        self, method: str, url: URL, content: Callable[[], Content] | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """The answer, whatever it says; after 401 that to a second request, with a new token and the content read again.

        Raises:
            PublishError: there is none, or no token.
        """
        token = await self.tokens.get(self.account)
        answer = await self._send(method, url, content, headers or {}, token)
        if answer.status == UNAUTHORIZED:
            token = await self.tokens.get(self.account, refused=token)
            answer = await self._send(method, url, content, headers or {}, token)
        return answer

    async def _send(
        self, method: str, url: URL, content: Callable[[], Content] | None, headers: Mapping[str, str], token: str
    ) -> Answer:
        body = content() if content else content_of(b"")
        given = {**headers, "Authorization": f"Bearer {token}"}
        try:
            return await upload(self.client, method, url, body, headers=given, limits=self.limits)
        except EgressError as error:
            raise no_answer(error) from None


def content_of(body: bytes) -> Content:
    return Content(len(body), _once(body))


async def _once(body: bytes) -> AsyncIterator[bytes]:
    yield body


def json_of(answer: Answer) -> Any:
    """None where the body is not JSON, or only its beginning."""
    try:
        return orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        return None


def failure(answer: Answer) -> PublishError:
    """Of an answer that is no success: https://developers.google.com/youtube/v3/docs/errors."""
    reason = _reason(json_of(answer))
    what = f"{phrase(answer.status)}, {reason}"
    if reason in QUOTA_REASONS:
        message = f"YouTube's quota for uploads is used up ({what})."
        return PublishError("destination_quota_exceeded", message, may_pass=True, retry_after_seconds=QUOTA_SECONDS)
    if reason in PASSING_REASONS:
        return PublishError("destination_unavailable", f"The destination cannot take the file now ({what}).", may_pass=True)
    if reason in REFUSAL_REASONS:
        return PublishError("destination_rejected", f"The destination refuses the file ({what}).")
    return failure_of(answer, reason)


def unintelligible() -> PublishError:
    return PublishError("destination_unavailable", "The destination does not answer as YouTube does.", may_pass=True)


def _reason(told: Any) -> str | None:
    """`error.errors[0].reason`, a word of the API's own."""
    try:
        reason = told["error"]["errors"][0]["reason"]
    except (KeyError, IndexError, TypeError):
        return None
    return reason if isinstance(reason, str) and _REASON.fullmatch(reason) else None
