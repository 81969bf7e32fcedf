"""Requests to an S3 service: signed, over pooled connections of the event loop, asked again where that is worth it.

What a store answers to a request that it refuses becomes an error of the port.
"""

import asyncio
import hashlib
import random
import re
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final, TypeVar
from xml.etree import ElementTree

import aiohttp
from aiohttp.abc import AbstractStreamWriter
from yarl import URL

from libs.object_store.port import StoreUnavailableError
from libs.object_store.presign import UNSIGNED, Presigner
from libs.object_store.s3_error import StoreRefusedError, port_error

CONNECT_SECONDS: Final = 5
PAUSES: Final = (0.1, 0.4)
"""Before the second and the third try; up to twice as long, so that many do not come back at once."""
AGAIN_SECONDS: Final = (0.1, 0.2, 0.4, 0.8)
RETRIED_STATUSES: Final = frozenset({500, 502, 503, 504})
READ_BYTES: Final = 256 * 1024
_CODE = re.compile(rb"<Code>(\w+)</Code>")
_CODES = {403: "AccessDenied", 404: "NoSuchKey", 412: "PreconditionFailed", 416: "InvalidRange"}
"""For answers without a body, as to HEAD."""
_LARGE_BYTES = 128 * 1024
"""From here on a body is hashed in a thread."""
_KEEPALIVE = {"TCP_KEEPIDLE": 30, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 3, "TCP_USER_TIMEOUT": 60_000}
"""Notices within a minute that the other side is gone, however long an answer may take. Not all systems have all of it."""

Piece = bytes | bytearray | memoryview
Body = Sequence[Piece]
"""In pieces, so that nobody has to join them."""
T = TypeVar("T")


@dataclass(frozen=True)
class S3Request:
    method: str
    key: str
    """Empty: the bucket."""
    query: Mapping[str, str] | None = None
    headers: Mapping[str, str] | None = None
    body: Body = ()
    is_repeatable: bool = True
    """Whether it does no harm to send it again where nobody knows whether it was done."""
    bucket: str | None = None
    """Another one than the client's."""


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    """Names compare without case."""
    body: bytes

    @property
    def etag(self) -> str:
        return self.headers.get("ETag", "").strip('"')

    @property
    def answered_at(self) -> datetime:
        date = self.headers.get("Date")
        return parsedate_to_datetime(date) if date else datetime.now(UTC)

    def xml(self, about: str) -> ElementTree.Element:
        """The root element; an error in an answer of status 200 is raised."""
        try:
            # Of our own store; white space comes first where it took long.
            root = ElementTree.fromstring(self.body.strip())  # noqa: S314
        except ElementTree.ParseError as error:
            raise StoreUnavailableError("the store's answer is no XML") from error
        if root.tag.rpartition("}")[2] == "Error":
            raise port_error(root.findtext("{*}Code") or "", about)
        return root


class S3Client:
    """`signer` is for the service, without a bucket. At most `requests` are under way, none silent for `read_seconds`."""

    def __init__(self, signer: Presigner, bucket: str, *, is_secure: bool, requests: int, read_seconds: float) -> None:
        self.bucket = bucket
        self._signer = signer
        self._is_secure = is_secure
        self._requests = asyncio.Semaphore(requests)
        self._timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=read_seconds)
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def send(self, request: S3Request) -> Answer:
        """The whole answer. Raises errors of the port."""
        async with self._requests, self.stream(request) as response:
            with _network_errors():
                return Answer(response.status, response.headers, await response.read())

    @asynccontextmanager
    async def stream(self, request: S3Request) -> AsyncIterator[aiohttp.ClientResponse]:
        """As `send`; the answer's body is still to be read, with `read_piece`. What is not read ends the connection."""
        response = await self._accepted(request)
        try:
            yield response
        finally:
            if not response.content.at_eof():
                # Otherwise the rest of a body that nobody wants would be read first by whoever gets the connection next.
                response.close()
            response.release()

    async def put_presigned(self, url: str, headers: Mapping[str, str], body: bytes) -> int:
        """The status of a PUT as a client of ours would send it."""
        with _network_errors():
            async with self._opened().put(
                URL(url, encoded=True), headers=headers, data=body, allow_redirects=False
            ) as response:
                return response.status

    async def _accepted(self, request: S3Request) -> aiohttp.ClientResponse:
        """The answer of the first of several tries that is no refusal."""
        payload_sha256 = await self._hashed(request.body)
        for pause in (*PAUSES, None):
            try:
                with _network_errors():
                    response = await self._begun(request, payload_sha256)
                    if response.status < 300:
                        return response
                    async with response:
                        error = _refusal(request, response.status, await response.read())
                is_worth_it = response.status in RETRIED_STATUSES and (request.is_repeatable or response.status == 503)
            except _UnreachableError as unreachable:
                error, is_worth_it = unreachable, request.is_repeatable or unreachable.was_not_sent
            if pause is None or not is_worth_it:
                raise error
            await asyncio.sleep(pause * random.uniform(1, 2))  # noqa: S311
        raise AssertionError("the last try has no pause")

    async def _begun(self, request: S3Request, payload_sha256: str) -> aiohttp.ClientResponse:
        url, headers = self._signer.authorized(
            request.method,
            f"{request.bucket or self.bucket}/{request.key}",
            query=request.query,
            headers=request.headers,
            payload_sha256=payload_sha256,
        )
        data = Pieces(request.body) if request.body else None
        return await self._opened().request(
            request.method, URL(url, encoded=True), headers=headers, data=data, allow_redirects=False
        )

    async def _hashed(self, body: Body) -> str:
        """What TLS does not protect is protected by the signature."""
        if self._is_secure:
            return UNSIGNED
        if sum(len(piece) for piece in body) < _LARGE_BYTES:
            return _sha256(body)
        return await asyncio.to_thread(_sha256, body)

    def _opened(self) -> aiohttp.ClientSession:
        """Not before there is an event loop."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, socket_factory=_socket),
                timeout=self._timeout,
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
                auto_decompress=False,
                read_bufsize=READ_BYTES // 2,
                skip_auto_headers=("Accept", "Accept-Encoding", "Content-Type"),
            )
        return self._session


async def until_done(call: Callable[[], Awaitable[T]]) -> T:
    """For calls whose answer may begin with 200 and end with an error, as those of a copy and of a completion do.

    Such an error asks for another try.
    """
    pauses = iter(AGAIN_SECONDS)
    while True:
        try:
            return await call()
        except StoreRefusedError as error:
            pause = next(pauses, None)
            if pause is None or not error.may_pass:
                raise
            await asyncio.sleep(pause)


async def read_piece(response: aiohttp.ClientResponse) -> bytes:
    """What has come of the body, at most `READ_BYTES`; empty at its end."""
    with _network_errors():
        return await response.content.read(READ_BYTES)


class Pieces(aiohttp.Payload):
    """A request's body; it can be sent again."""

    def __init__(self, body: Body) -> None:
        super().__init__(body, content_type="application/octet-stream")
        self._size = sum(len(piece) for piece in body)

    async def write(self, writer: AbstractStreamWriter) -> None:
        for piece in self._value:
            await writer.write(piece)

    async def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> None:
        await self.write(writer)

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        return b"".join(self._value).decode(encoding, errors)


class _UnreachableError(StoreUnavailableError):
    def __init__(self, error: Exception) -> None:
        super().__init__(f"the store does not answer: {type(error).__name__}")
        self.was_not_sent = isinstance(error, aiohttp.ClientConnectorError)


@contextmanager
def _network_errors() -> Iterator[None]:
    try:
        yield
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise _UnreachableError(error) from error


def _refusal(request: S3Request, status: int, body: bytes) -> Exception:
    found = _CODE.search(body)
    code = found[1].decode() if found else _CODES.get(status, f"HTTP status {status}")
    return port_error(code, request.key)


def _sha256(body: Body) -> str:
    digest = hashlib.sha256()
    for piece in body:
        digest.update(piece)
    return digest.hexdigest()


def _socket(address: aiohttp.AddrInfoType) -> socket.socket:
    family, kind, protocol, _name, _address = address
    opened = socket.socket(family, kind, protocol)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEPALIVE.items():
        if (option := getattr(socket, name, None)) is not None:
            opened.setsockopt(socket.IPPROTO_TCP, option, value)
    return opened
