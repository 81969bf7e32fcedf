"""A GET that follows redirects and streams what it finds at their end.

Each hop is judged like the first address, and nothing but the GET itself is carried to the next: no credentials, no cookies,
no referrer. The body comes as it was sent, never decompressed, and no faster than it is read.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

import aiohttp
from yarl import URL

from libs.egress.client import EgressError, EgressNetworkError, EgressTimeoutError, GuardedClient, typed_failures

REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
CLOCK_SLACK_SECONDS: Final = 0.05
"""A timer may go off a little early."""


class EgressDeadlineError(EgressTimeoutError):
    """The whole, redirects and body, was not over in the time that it has: trying again would hardly be faster."""


class EgressStatusError(EgressError):
    """The answer says that there is no content: `client_error` for 4xx, `server_error` for 5xx."""

    def __init__(self, status: int) -> None:
        super().__init__("client_error" if status < 500 else "server_error", _phrase(status))
        self.status = status


class EgressTooLargeError(EgressError):
    """The content is, or is announced to be, larger than allowed."""

    def __init__(self, size_bytes: int, limit_bytes: int) -> None:
        super().__init__("too_large", f"more than {limit_bytes} bytes")
        self.size_bytes = size_bytes
        """As announced; where it was not, what had come when it was too much."""
        self.limit_bytes = limit_bytes


class EgressRedirectsError(EgressError):
    """One redirect after the other."""

    def __init__(self, limit: int) -> None:
        super().__init__("too_many_redirects", f"more than {limit} redirects")


@dataclass(frozen=True)
class Limits:
    total_seconds: float
    """From the first look-up of a name to the last byte."""
    idle_seconds: float
    """For the head of each answer, and between two pieces of the body."""
    max_redirects: int
    max_bytes: int
    """Of the content as it is sent."""


class Download:
    """What was found: the head at once, the content piece by piece."""

    def __init__(self, response: aiohttp.ClientResponse, limits: Limits, deadline: float) -> None:
        self.url = str(response.url)
        """Where the redirects led."""
        self.headers: Mapping[str, str] = response.headers
        self.size_bytes = response.content_length
        """As announced; None where it is not."""
        self._response = response
        self._limits = limits
        self._deadline = deadline
        self._ending = _ending_of(response)

    async def chunks(self) -> AsyncIterator[bytes]:
        """The content, once; in any task, as long as the `download` block lasts. Ends only where the content does.

        Raises:
            EgressTimeoutError (EgressDeadlineError among them), EgressNetworkError, EgressTooLargeError
        """
        received = 0
        while True:
            with _timed(self._deadline):
                chunk = await self._response.content.readany()
            if not chunk:
                self._check_end()
                return
            received += len(chunk)
            if received > self._limits.max_bytes:
                raise EgressTooLargeError(received, self._limits.max_bytes)
            yield chunk

    def _check_end(self) -> None:
        """A content without announced length ends with the connection; the client does not tell whether that broke."""
        ending = self._ending
        if ending is not None and ending.done() and not ending.cancelled() and ending.exception() is not None:
            raise EgressNetworkError("disconnected", "the connection ended within the answer")


def _ending_of(response: aiohttp.ClientResponse) -> asyncio.Future[None] | None:
    """Done when the connection is closed, with the error that broke it; None where it is closed already."""
    protocol = response.connection.protocol if response.connection is not None else None
    ending = protocol.closed if protocol is not None else None
    if ending is not None:
        ending.add_done_callback(lambda ended: ended.cancelled() or ended.exception())  # nobody may ask: no warning then
    return ending


@asynccontextmanager
async def download(client: GuardedClient, url: str | URL, limits: Limits) -> AsyncIterator[Download]:
    """The content that `url` leads to, to be read inside the block.

    Raises:
        EgressRefusedError: `url`, or what it redirects to.
        EgressStatusError, EgressRedirectsError, EgressTooLargeError
        EgressTimeoutError (EgressDeadlineError among them), EgressNetworkError
    """
    deadline = asyncio.get_running_loop().time() + limits.total_seconds
    response = await _last_answer(client, url, limits, deadline)
    try:
        found = Download(response, limits, deadline)
        _check_head(found, limits)
        yield found
    finally:
        response.close()  # whoever still reads gets an error, not the end of the content


async def _last_answer(client: GuardedClient, url: str | URL, limits: Limits, deadline: float) -> aiohttp.ClientResponse:
    """The first answer that has content."""
    clock = asyncio.get_running_loop().time
    for _ in range(limits.max_redirects + 1):
        with _timed(deadline):
            if (left := deadline - clock()) <= 0:
                raise EgressTimeoutError("no answer in time")
            response = await client.get(url, total_seconds=left, idle_seconds=limits.idle_seconds)
        if response.status not in REDIRECTS:
            try:
                _check_status(response.status)
            except EgressError:
                response.close()
                raise
            return response
        response.close()
        url = _target(response)
    raise EgressRedirectsError(limits.max_redirects)


def _target(response: aiohttp.ClientResponse) -> str:
    """Where a redirect leads; not judged yet."""
    try:
        return str(response.url.join(URL(response.headers["Location"])).with_fragment(None))
    except (KeyError, ValueError):
        raise EgressNetworkError("malformed_answer", "a redirect without an address that can be read") from None


def _check_status(status: int) -> None:
    if 400 <= status < 600:
        raise EgressStatusError(status)
    if not 200 <= status < 300 or status == HTTPStatus.PARTIAL_CONTENT:
        raise EgressNetworkError("malformed_answer", f"an answer that nobody asked for: {_phrase(status)}")


def _check_head(found: Download, limits: Limits) -> None:
    if found.size_bytes is not None and found.size_bytes > limits.max_bytes:
        raise EgressTooLargeError(found.size_bytes, limits.max_bytes)


def _phrase(status: int) -> str:
    """The standard's words, never the source's: they are shown to users."""
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


@contextmanager
def _timed(deadline: float) -> Iterator[None]:
    try:
        with typed_failures():
            yield
    except EgressTimeoutError as error:
        if asyncio.get_running_loop().time() > deadline - CLOCK_SLACK_SECONDS:
            raise EgressDeadlineError("it took too long") from error
        raise
