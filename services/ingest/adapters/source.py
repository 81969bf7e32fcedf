"""Where bytes are fetched from, and the first such source: somebody's web server, reached through the egress guard."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Final, Protocol

from yarl import URL

from contracts.events import FetchRequested
from libs.egress.client import EgressError, EgressRefusedError, EgressTimeoutError, GuardedClient
from libs.egress.download import (
    Download,
    EgressDeadlineError,
    EgressStatusError,
    EgressTooLargeError,
    Limits,
    download,
)
from libs.egress.url import UrlRefusal
from libs.file_name.download import download_name
from libs.object_store.port import ObjectInfo
from services.ingest.domain.content_type import declared_type
from services.ingest.domain.error import FetchCode, FetchError
from services.ingest.domain.fetch import Found

PASSING_STATUSES: Final = frozenset({408, 425, 429})
"""4xx that ask for patience."""

CODES: Final[dict[str, FetchCode]] = {
    "address_refused": "fetch_url_refused",
    "timeout": "fetch_timeout",
    "client_error": "fetch_client_error",
    "server_error": "fetch_server_error",
    "encoding_unsupported": "fetch_network_error",
    "too_large": "fetch_too_large",
    "too_many_redirects": "fetch_too_many_redirects",
}
"""Any other failure of the egress guard is a `fetch_network_error`, and another attempt may succeed."""

REFUSALS: Final[dict[UrlRefusal, str]] = {
    "scheme_invalid": "only http and https are accepted",
    "scheme_missing": "only http and https are accepted",
    "host_missing": "no host",
    "host_malformed": "the host is malformed",
    "malformed": "it holds control characters, or a backslash after the host",
    "userinfo": "a user name or password is not accepted",
    "port_forbidden": "the port is not accepted",
    "too_long": "too long",
    "address_forbidden": "only public IPs are allowed",
}


@dataclass(frozen=True)
class Answer:
    found: Found
    chunks: AsyncIterator[bytes]
    """To be read inside the `open` block; raises what that turns into FetchError."""
    copy: Callable[[str], Awaitable[ObjectInfo]] | None = None
    """Brings all of exactly this content under a key of our store without a byte of it coming by here, where that can be."""


class Source(Protocol):
    def open(self, request: FetchRequested) -> AbstractAsyncContextManager[Answer]:
        """What the request's `source_url` names. Raises FetchError, also for what fails while the block reads."""


Copier = Callable[[Download], Callable[[str], Awaitable[ObjectInfo]] | None]


class HttpSource:
    def __init__(self, client: GuardedClient, *, timeout_seconds: float, idle_seconds: float, max_redirects: int) -> None:
        self._client = client
        self._timeout_seconds = timeout_seconds
        self._idle_seconds = idle_seconds
        self._max_redirects = max_redirects

    def open(self, request: FetchRequested) -> AbstractAsyncContextManager[Answer]:
        return self.open_url(request.source_url, request.max_size_bytes)

    @asynccontextmanager
    async def open_url(self, url: str | URL, max_bytes: int, copier: Copier | None = None) -> AsyncIterator[Answer]:
        """As `Source.open`; a `URL` was signed here and goes out as it is spelled. `copier` makes `Answer.copy`."""
        limits = Limits(self._timeout_seconds, self._idle_seconds, self._max_redirects, max_bytes)
        try:
            async with download(self._client, url, limits) as answered:
                yield Answer(found_in(answered), answered.chunks(), copier(answered) if copier else None)
        except EgressError as error:
            # Without its cause: what the client says of it may name the URL, which is nobody else's business.
            raise failure_of(error, limits) from None


def found_in(answered: Download) -> Found:
    return Found(
        file_name=download_name(answered.headers.get("Content-Disposition"), answered.url),
        content_type=declared_type(answered.headers.get("Content-Type")),
        total_bytes=answered.size_bytes,
    )


def failure_of(error: EgressError, limits: Limits) -> FetchError:
    return FetchError(CODES.get(error.code, "fetch_network_error"), _message(error, limits), may_pass=_may_pass(error))


def _message(error: EgressError, limits: Limits) -> str:
    """What fills the code's sentence; see `contracts.events.FetchFailed`."""
    match error:
        case EgressRefusedError():
            return REFUSALS[error.reason]
        case EgressDeadlineError():
            return f"{limits.total_seconds:g}"
        case EgressTimeoutError():
            return f"{min(limits.idle_seconds, limits.total_seconds):g}"
        case EgressTooLargeError():
            return f"{error.size_bytes} > {error.limit_bytes}"
    return str(error)


def _may_pass(error: EgressError) -> bool:
    if isinstance(error, EgressStatusError):
        return error.code == "server_error" or error.status in PASSING_STATUSES
    return CODES.get(error.code) is None or (error.code == "timeout" and not isinstance(error, EgressDeadlineError))
