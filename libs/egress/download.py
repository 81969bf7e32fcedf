"""A GET that follows redirects and streams what it finds at their end.

Each hop is checked like the first address, and nothing but the GET itself is carried to the next: no credentials, no cookies,
no referrer. The content comes no faster than it is read. What a source encoded although nobody asked for that is decoded.
"""

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

import aiohttp
from yarl import URL

from libs.egress.client import EgressError, EgressNetworkError, EgressTimeoutError, GuardedClient, typed_failures
from libs.egress.content_coding import UndecodableContentError, UnknownCodingError, content_codings, decode_content
from libs.egress.spelling import resolve_reference

REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
CLOCK_SLACK_SECONDS: Final = 0.05
"""A timer may go off a little early."""
GZIP_TYPES: Final = frozenset({"application/gzip", "application/x-gzip", "application/x-gunzip", "application/x-tgz"})
GZIP_ENDINGS: Final = (".gz", ".tgz")

_WHOLE_RANGE = re.compile(r"bytes 0-(?P<last>[0-9]{1,18})/(?P<total>[0-9]{1,18})", re.IGNORECASE)


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
    """Of the content, decoded where its source encoded it."""


class Download:
    """What was found: the head at once, the content piece by piece."""

    def __init__(self, response: aiohttp.ClientResponse, limits: Limits, deadline: float, *, decodes: bool) -> None:
        """Raises EgressNetworkError where the head says that its content cannot be read."""
        self.url = str(response.url)
        """Where the redirects led."""
        self.headers: Mapping[str, str] = response.headers
        self._codings = _codings_of(response) if decodes else ()
        self._sent_bytes = _sent_bytes(response)
        self.size_bytes = None if self._codings else self._sent_bytes
        """As announced; None where it is not, or where only the size of the encoded content is."""
        self._response = response
        self._limits = limits
        self._deadline = deadline
        self._ending = _ending_of(response)

    @property
    def is_encoded(self) -> bool:
        """`chunks` are decoded: they are not the bytes that the source stores, or sent."""
        return bool(self._codings)

    async def chunks(self) -> AsyncIterator[bytes]:
        """The content, once; in any task, as long as the `download` block lasts. Ends only where the content does.

        Raises:
            EgressTimeoutError (EgressDeadlineError among them), EgressNetworkError, EgressTooLargeError
        """
        received = 0
        async with aclosing(decode_content(self._as_sent(), self._codings)) as pieces:
            with _typed_decoding():
                async for piece in pieces:
                    received += len(piece)
                    if received > self._limits.max_bytes:
                        raise EgressTooLargeError(received, self._limits.max_bytes)
                    yield piece

    async def _as_sent(self) -> AsyncGenerator[bytes, None]:
        received = 0
        while True:
            with _timed(self._deadline):
                chunk = await self._response.content.readany()
            if not chunk:
                self._check_end(received)
                return
            received += len(chunk)
            yield chunk

    def _check_end(self, received: int) -> None:
        """A content without announced length ends with the connection; the client does not tell whether that broke."""
        ending = self._ending
        is_broken = ending is not None and ending.done() and not ending.cancelled() and ending.exception() is not None
        if is_broken or (self._sent_bytes is not None and received != self._sent_bytes):
            raise EgressNetworkError("disconnected", "the connection ended within the answer")


def _ending_of(response: aiohttp.ClientResponse) -> asyncio.Future[None] | None:
    """Done when the connection is closed, with the error that broke it; None where it is closed already."""
    protocol = response.connection.protocol if response.connection is not None else None
    ending = protocol.closed if protocol is not None else None
    if ending is not None:
        ending.add_done_callback(lambda ended: ended.cancelled() or ended.exception())  # nobody may ask: no warning then
    return ending


@asynccontextmanager
async def download(client: GuardedClient, url: str | URL, limits: Limits, *, decodes: bool = True) -> AsyncIterator[Download]:
    """The content that `url` leads to, to be read inside the block; `decodes` False: as its source stores it, encoded perhaps.

    Raises:
        EgressRefusedError: `url`, or what it redirects to.
        EgressStatusError, EgressRedirectsError, EgressTooLargeError
        EgressTimeoutError (EgressDeadlineError among them), EgressNetworkError
    """
    deadline = asyncio.get_running_loop().time() + limits.total_seconds
    response = await _last_answer(client, url, limits, deadline)
    try:
        _check_status(response.status)
        found = Download(response, limits, deadline, decodes=decodes)
        if found.size_bytes is not None and found.size_bytes > limits.max_bytes:
            raise EgressTooLargeError(found.size_bytes, limits.max_bytes)
        yield found
    finally:
        response.close()  # whoever still reads gets an error, not the end of the content


async def _last_answer(client: GuardedClient, url: str | URL, limits: Limits, deadline: float) -> aiohttp.ClientResponse:
    """The first answer that is no redirect."""
    clock = asyncio.get_running_loop().time
    for _ in range(limits.max_redirects + 1):
        with _timed(deadline):
            if (left := deadline - clock()) <= 0:
                raise EgressTimeoutError("no answer in time")
            response = await client.get(url, total_seconds=left, idle_seconds=limits.idle_seconds)
        if response.status not in REDIRECTS:
            return response
        response.close()
        url = _target(response)
    raise EgressRedirectsError(limits.max_redirects)


def _target(response: aiohttp.ClientResponse) -> str:
    """Where a redirect leads; not checked yet."""
    location = response.headers.get("Location")
    if location is None:
        raise EgressNetworkError("malformed_answer", "a redirect without an address")
    return resolve_reference(str(response.url), location)


def _check_status(status: int) -> None:
    if 400 <= status < 600:
        raise EgressStatusError(status)
    if not 200 <= status < 300:
        raise _unasked(status)


def _codings_of(response: aiohttp.ClientResponse) -> Sequence[str]:
    """What the content has to be decoded from. A file that is gzip itself was not encoded, whatever its server says."""
    headers = response.headers
    content_type = headers.get("Content-Type", "").partition(";")[0].strip().lower()
    is_gzip = content_type in GZIP_TYPES or urlsplit(str(response.url)).path.lower().endswith(GZIP_ENDINGS)
    try:
        codings = content_codings(headers.getall("Content-Encoding", ()))
    except UnknownCodingError as error:
        raise EgressNetworkError("encoding_unsupported", str(error)) from None
    return () if is_gzip and codings in (["gzip"], ["x-gzip"]) else codings


def _sent_bytes(response: aiohttp.ClientResponse) -> int | None:
    """How many will come, as the head says. Nobody asked for a part: 206 is taken where the part is the whole."""
    announced = response.content_length
    if response.status != HTTPStatus.PARTIAL_CONTENT:
        return announced
    part = _WHOLE_RANGE.fullmatch(response.headers.get("Content-Range", "").strip())
    whole = int(part["total"]) if part is not None and int(part["last"]) + 1 == int(part["total"]) else None
    if whole is None or announced not in (None, whole):
        raise _unasked(response.status)
    return whole


def _unasked(status: int) -> EgressError:
    return EgressNetworkError("malformed_answer", f"an answer that nobody asked for: {_phrase(status)}")


@contextmanager
def _typed_decoding() -> Iterator[None]:
    try:
        yield
    except UndecodableContentError as error:
        raise EgressNetworkError("malformed_answer", str(error)) from None


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
