"""An HTTP client that reaches only addresses which the policy allows, and takes only so much of any answer.

The check sits where the socket is made: it sees the final address of literals, names and every candidate, and between it
and the connection there is no second look-up that DNS rebinding could use. What is sent is what was checked, byte for byte:
the HTTP client gets no chance to spell an address anew. No redirects, cookies or proxies. (`download` follows redirects, each
as a new call.)

A connection is used once, but for those of `post` where the client was given `KeepAlive`: they serve further posts to the same
scheme, host and port for a while. Where such a connection leads was judged when it was made; a name that leads elsewhere since
then is asked for at the next one.
"""

import asyncio
import functools
import socket
import time
from collections.abc import AsyncGenerator, AsyncIterable, Iterator, Mapping
from contextlib import aclosing, contextmanager, suppress
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, Final, Literal

import aiohttp
from aiohttp.abc import AbstractResolver
from yarl import URL

from libs.egress.content_coding import UndecodableContentError, UnknownCodingError, content_codings, decode_content
from libs.egress.keep_alive import KeepAlive, KeepingConnector
from libs.egress.policy import Policy
from libs.egress.resolver import ThreadResolver
from libs.egress.response_head import BROKEN_CONNECTION, HEAD_BYTES, CutAnswerError, HeadReader, ResponseHeadError
from libs.egress.url import UrlRefusal, UrlRefusedError, check_url

CONNECT_SECONDS: Final = 10.0
BODY_SECONDS: Final = 2.0
"""After the head of the answer has come: the status is known, what follows is only for the log."""
STREAM_BUFFER_BYTES: Final = 2**16
"""Of a streamed answer; twice as much may lie unread, then the sender has to wait."""
USER_AGENT: Final = "Longshore"
TARGETS: Final = 512
"""Addresses of posts whose check is remembered: it is pure, and the same few come again and again."""

Failure = Literal[
    "address_refused", "timeout", "name_unresolved", "connect_failed", "tls_failed", "disconnected", "malformed_answer",
    "encoding_unsupported", "client_error", "server_error", "too_large", "too_many_redirects",
]  # fmt: skip
"""The last five are those of `libs.egress.download`."""


class EgressError(Exception):
    """No answer, or none of use. `code` says why; the message is fit for a log and for the user who supplied the address."""

    def __init__(self, code: Failure, message: str) -> None:
        super().__init__(message)
        self.code: Failure = code


class EgressRefusedError(EgressError):
    """The address is one that the policy does not allow; nothing was sent. `reason` is the rule that it breaks."""

    def __init__(self, reason: UrlRefusal, message: str) -> None:
        super().__init__("address_refused", message)
        self.reason: UrlRefusal = reason


class EgressTimeoutError(EgressError):
    """No connection, or no answer on it, within the time."""

    def __init__(self, message: str) -> None:
        super().__init__("timeout", message)


class EgressNetworkError(EgressError):
    """The name, the connection, TLS or HTTP itself failed."""


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    """Names compare without case."""
    body: bytes
    """Its beginning, decoded where it came encoded."""


Request = dict[str, Any]
"""What aiohttp is given for one request."""


@dataclass
class _KeptConnection:
    """Whether a request goes out on a connection that another one was sent on before."""

    is_used: bool = False


class GuardedClient:
    """The sessions; a resource of the service that uses it."""

    def __init__(
        self,
        policy: Policy,
        *,
        timeout_seconds: float,
        resolver: AbstractResolver | None = None,
        keep_alive: KeepAlive | None = None,
    ) -> None:
        self.policy = policy
        self._timeout_seconds = timeout_seconds
        self._target = functools.lru_cache(TARGETS)(self._checked)
        self._given_resolver = resolver
        self._keep_alive = keep_alive
        self._resolver: AbstractResolver | None = None
        self._session: aiohttp.ClientSession | None = None
        self._keeping_session: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        self._resolver = self._given_resolver or ThreadResolver()
        self._session = self._session_with(aiohttp.TCPConnector(force_close=True, **self._guard(self._resolver)))
        if self._keep_alive is not None:
            connector = KeepingConnector(self._keep_alive, **self._guard(self._resolver))
            self._keeping_session = self._session_with(connector, self._keep_alive.lifetime_seconds)

    def _guard(self, resolver: AbstractResolver) -> dict[str, Any]:
        """What makes a connector safe."""
        return {
            "resolver": resolver,
            "socket_factory": self._socket,
            "happy_eyeballs_delay": None,  # one candidate after the other: a refusal ends the attempt and keeps its type
            "use_dns_cache": False,
            "limit": 0,
        }

    def _session_with(self, connector: aiohttp.TCPConnector, lifetime_seconds: float = 0) -> aiohttp.ClientSession:
        # The one place where aiohttp says of what kind a connection is; it is not public.
        factory = functools.partial(HeadReader, loop=asyncio.get_running_loop(), lifetime_seconds=lifetime_seconds)
        connector._factory = factory  # type: ignore[assignment]
        reuse = aiohttp.TraceConfig()
        reuse.on_connection_reuseconn.append(_note_reuse)
        return aiohttp.ClientSession(
            connector=connector,
            timeout=_timeout(self._timeout_seconds),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            auto_decompress=False,
            read_bufsize=2**14,
            headers={"User-Agent": USER_AGENT, "Accept-Encoding": "identity"},
            trace_configs=[reuse] if lifetime_seconds else None,
        )

    async def close(self) -> None:
        for session in (self._session, self._keeping_session):
            if session is not None:
                await session.close()
        self._session = self._keeping_session = None
        if self._resolver is not None:
            await self._resolver.close()
            self._resolver = None

    async def check(self) -> None:
        self._opened()

    async def post(self, url: str, body: bytes, headers: Mapping[str, str], *, keep_bytes: int) -> Answer:
        """Sends once; the answer may have any status, a redirect is an answer too.

        A kept connection that turns out to be closed before anything came back is no answer: then it is sent on a new one. The
        receiver may have got it twice, in the rare case that it closed the connection after it had read the request.

        Raises:
            EgressRefusedError, EgressTimeoutError, EgressNetworkError
        """
        session = self._opened()
        ends_at = time.monotonic() + self._timeout_seconds
        with typed_failures():
            target, on_kept = self._target(url), _KeptConnection()
            request: Request = {"url": target, "data": body, "headers": headers, "allow_redirects": False}
            try:
                return await _answer(self._keeping_session or session, request, keep_bytes, on_kept)
            except CutAnswerError:
                raise
            except (*BROKEN_CONNECTION, ConnectionError):
                if not on_kept.is_used:
                    raise
            request["timeout"] = _timeout(max(0.001, ends_at - time.monotonic()))
            return await _answer(session, request, keep_bytes)

    async def get(self, url: str | URL, *, total_seconds: float, idle_seconds: float) -> aiohttp.ClientResponse:
        """The head of the answer, whatever its status; the caller reads the body as it comes, and closes it.

        A `URL` was made here, signed perhaps: it goes out exactly as it is spelled. Only its origin is a user's word. The
        answer's `url` is what went out.

        `total_seconds` includes the body. Reading it raises aiohttp's errors: see `typed_failures`.

        Raises:
            EgressRefusedError, EgressTimeoutError, EgressNetworkError
        """
        session = self._opened()
        timeout = aiohttp.ClientTimeout(
            total=total_seconds, sock_connect=min(CONNECT_SECONDS, total_seconds), sock_read=idle_seconds
        )
        with typed_failures():
            target = self._checked(url)
            return await session.get(target, allow_redirects=False, timeout=timeout, read_bufsize=STREAM_BUFFER_BYTES)

    async def send(
        self,
        method: str,
        url: str | URL,
        data: bytes | AsyncIterable[bytes],
        headers: Mapping[str, str],
        *,
        total_seconds: float,
    ) -> aiohttp.ClientResponse:
        """The head of the answer to a request with a body; `libs.egress.upload` is what a caller wants. `url` as in `get`.

        Raises:
            EgressRefusedError, EgressTimeoutError, EgressNetworkError
        """
        session = self._opened()
        timeout = aiohttp.ClientTimeout(total=total_seconds, sock_connect=min(CONNECT_SECONDS, total_seconds))
        with typed_failures():
            target = self._checked(url)
            return await session.request(method, target, data=data, headers=headers, allow_redirects=False, timeout=timeout)

    def _checked(self, url: str | URL) -> URL:
        """What a request for `url` is made of: the parts that were checked. Raises UrlRefusedError.

        Path and query together stand where the path does, so that nothing parses them again: even an empty query stays.
        """
        checked = check_url(url, self.policy, max_characters=HEAD_BYTES)  # as many as a redirect can name
        return URL.build(scheme=checked.scheme, authority=checked.authority, path=checked.target, encoded=True)

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise RuntimeError("the egress client is not open")
        return self._session

    def _socket(self, candidate: tuple[Any, ...]) -> socket.socket:
        family, kind, protocol, _name, (host, port, *_) = candidate
        address = ip_address(host)
        if not self.policy.is_allowed(address):
            raise EgressRefusedError("address_forbidden", "the address is not public")
        if not self.policy.is_port_allowed(port, address):
            raise EgressRefusedError("port_forbidden", f"port {port} is not accepted")
        return socket.socket(family, kind, protocol)


def _timeout(seconds: float) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(total=seconds, sock_connect=min(CONNECT_SECONDS, seconds))


async def _note_reuse(_session: object, context: Any, _params: object) -> None:
    context.trace_request_ctx.is_used = True


async def _answer(
    session: aiohttp.ClientSession, request: Request, keep_bytes: int, on_kept: _KeptConnection | None = None
) -> Answer:
    async with session.post(**request, trace_request_ctx=on_kept) as response:
        kept = await beginning(response, keep_bytes)
        response.close()  # where there is more of it; an answer that was read to its end has left its connection already
        return Answer(response.status, response.headers, kept)


async def beginning(response: aiohttp.ClientResponse, limit: int, seconds: float = BODY_SECONDS) -> bytes:
    """Of the answer's body: as much as comes within `seconds`, at most `limit` bytes. Whatever breaks it off is no failure."""
    kept = bytearray()
    with suppress(aiohttp.ClientError, OSError, UnknownCodingError, UndecodableContentError):  # TimeoutError among them
        codings = content_codings(response.headers.getall("Content-Encoding", ()))
        async with asyncio.timeout(seconds), aclosing(decode_content(_pieces(response), codings)) as pieces:
            async for piece in pieces:
                kept += piece
                if len(kept) >= limit:
                    break
    return bytes(kept[:limit])


async def _pieces(response: aiohttp.ClientResponse) -> AsyncGenerator[bytes, None]:
    while piece := await response.content.readany():
        yield piece


@contextmanager
def typed_failures() -> Iterator[None]:
    """What refuses the address or ends the connection, as an EgressError."""
    try:
        yield
    except UrlRefusedError as error:
        raise EgressRefusedError(error.code, error.message) from error
    except (aiohttp.ClientError, OSError) as error:
        raise _without_answer(error) from error


FAILURES: Final[tuple[tuple[type[Exception], Failure, str], ...]] = (
    (aiohttp.ClientConnectorDNSError, "name_unresolved", "the name has no address"),
    (aiohttp.ClientSSLError, "tls_failed", "no valid TLS connection"),
    (TimeoutError, "timeout", "no answer in time"),
    (aiohttp.ClientConnectorError, "connect_failed", "no connection"),
    (aiohttp.ServerDisconnectedError, "disconnected", "the connection ended before the answer"),
    (aiohttp.ClientPayloadError, "disconnected", "the connection ended within the answer"),
    (OSError, "disconnected", "the connection ended before the answer"),
    (Exception, "malformed_answer", "the answer is not HTTP"),
)
"""The first that fits."""


def _without_answer(error: aiohttp.ClientError | OSError) -> EgressError:
    if isinstance(error, ResponseHeadError):
        return EgressNetworkError("malformed_answer", str(error))
    code, message = next((code, message) for kind, code, message in FAILURES if isinstance(error, kind))
    return EgressTimeoutError(message) if code == "timeout" else EgressNetworkError(code, message)
