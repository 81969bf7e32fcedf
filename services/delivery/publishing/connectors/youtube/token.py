"""Access tokens: got with an account's refresh token, kept in memory until they end.

https://developers.google.com/identity/protocols/oauth2/web-server#offline, RFC 6749 section 6.
"""

import asyncio
import re
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlencode

import orjson

from contracts.account import YouTubeAccount
from libs.egress.client import Answer, EgressError, GuardedClient
from services.delivery.publishing.connectors.answer import failure_of, is_success, no_answer
from services.delivery.publishing.domain.error import PublishError

MAX_ACCOUNTS: Final = 10_000
"""Whose tokens are kept at the same time."""
MARGIN_SECONDS: Final = 60.0
"""A token is not used so shortly before its end."""
ANSWER_BYTES: Final = 16 * 1024
READING_SCOPES: Final = frozenset({"youtube", "youtube.force-ssl", "youtube.readonly"})
UPLOADING_SCOPES: Final = frozenset({"youtube", "youtube.force-ssl", "youtube.upload"})
REFUSED_STATUSES: Final = frozenset({400, 401, 403})
PASSING_ERRORS: Final = frozenset({"internal_failure", "rate_limit_exceeded", "server_error", "temporarily_unavailable"})

_ERROR = re.compile(r"[a-z_]{1,60}")


@dataclass
class _Kept:
    token: str | None = None
    ends_at: float = 0
    """On the event loop's clock."""
    refreshing: asyncio.Lock = field(default_factory=asyncio.Lock)


_Key = tuple[str, str, str]


class AccessTokens:
    """Of all accounts; whoever needs one at the same time as others waits for the same request."""

    def __init__(self, client: GuardedClient, url: str) -> None:
        self._client = client
        self._url = url
        self._kept: dict[_Key, _Kept] = {}

    async def get(self, account: YouTubeAccount, *, refused: str | None = None) -> str:
        """A token that is not `refused`, which YouTube does not take any more.

        Raises:
            PublishError
        """
        kept = self._of(account)
        async with kept.refreshing:
            if kept.token is None or kept.token == refused or kept.ends_at <= asyncio.get_running_loop().time():
                kept.token, kept.ends_at = await self._refreshed(account)
            return kept.token

    def _of(self, account: YouTubeAccount) -> _Kept:
        key = (account.client_id, account.client_secret.get_secret_value(), account.refresh_token.get_secret_value())
        kept = self._kept.pop(key, None) or _Kept()
        self._kept[key] = kept  # the last one used is the last one forgotten
        if len(self._kept) > MAX_ACCOUNTS:
            del self._kept[next(iter(self._kept))]
        return kept

    async def _refreshed(self, account: YouTubeAccount) -> tuple[str, float]:
        form = {
            "grant_type": "refresh_token",
            "client_id": account.client_id,
            "client_secret": account.client_secret.get_secret_value(),
            "refresh_token": account.refresh_token.get_secret_value(),
        }
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        asked_at = asyncio.get_running_loop().time()
        try:
            answer = await self._client.post(self._url, urlencode(form).encode(), headers, keep_bytes=ANSWER_BYTES)
        except EgressError as error:
            raise no_answer(error) from None
        told = _told(answer)
        if not is_success(answer):
            raise _failure(answer, told)
        _check_scopes(told.get("scope"))
        token, seconds = told.get("access_token"), told.get("expires_in", 0)
        if not isinstance(token, str) or not re.fullmatch(r"[\x21-\x7e]+", token) or not isinstance(seconds, int):
            raise PublishError("destination_unavailable", "Google does not answer with an access token.", may_pass=True)
        return token, asked_at + seconds - MARGIN_SECONDS


def _told(answer: Answer) -> dict[str, object]:
    try:
        told = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        return {}
    return told if isinstance(told, dict) else {}


def _failure(answer: Answer, told: dict[str, object]) -> PublishError:
    given = told.get("error")
    error = given if isinstance(given, str) and _ERROR.fullmatch(given) else None
    if error in PASSING_ERRORS:
        return PublishError("destination_unavailable", f"Google gives no access token now ({error}).", may_pass=True)
    if answer.status in REFUSED_STATUSES:
        what = error or str(answer.status)
        return PublishError("destination_unauthorized", f"Google gives no access token for the account's credentials ({what}).")
    return failure_of(answer, error)


def _check_scopes(scope: object) -> None:
    """What the token may not do is told before a large file is sent. Raises PublishError."""
    if not isinstance(scope, str):
        return
    granted = {name.rpartition("/")[2] for name in scope.split()}
    if not granted & READING_SCOPES or not granted & UPLOADING_SCOPES:
        message = (
            "The account's credentials allow too little: YouTube's scopes `youtube.upload` and `youtube.readonly` are needed."
        )
        raise PublishError("destination_unauthorized", message)
