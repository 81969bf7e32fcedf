"""Bytes that are no HTTP, or hardly: each connection gets a clean refusal or is closed; never a 5xx, never a hang."""

import json
import socket
from dataclasses import dataclass

import pytest
import requests

from tests.contract.http.conftest import Address

JSON = b'{"owner": "org-x", "uploader": "customer"}'
PATIENCE_SECONDS = 20


@dataclass(frozen=True)
class Wire:
    """What goes over the socket; `half_close`: the client says that nothing more comes, and may be dropped unanswered."""

    name: str
    pieces: tuple[bytes, ...]
    half_close: bool = False


def head(*lines: str | bytes, target: str = "/api/v1/uploads", method: str = "POST") -> bytes:
    encoded = [line if isinstance(line, bytes) else line.encode("latin-1") for line in lines]
    return b"\r\n".join([f"{method} {target} HTTP/1.1".encode(), b"Host: x", b"Connection: close", *encoded, b"", b""])


def post(body: bytes, *lines: str | bytes) -> bytes:
    return head("Content-Type: application/json", f"Content-Length: {len(body)}", *lines) + body


CHUNKED = head("Content-Type: application/json", "Transfer-Encoding: chunked")
UNDER_WAY = head("Content-Type: application/json", "Content-Length: 1000")

CORPUS = [
    Wire("no HTTP at all", (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",), half_close=True),
    Wire("random bytes", (bytes(range(256)) * 4 + b"\r\n\r\n",)),
    Wire("NUL bytes", (b"\x00" * 100 + b"\r\n\r\n",)),
    Wire("empty lines", (b"\r\n" * 50,), half_close=True),
    Wire("nothing", (b"",), half_close=True),
    Wire("half a request line", (b"POST /api",), half_close=True),
    Wire("half a head", (b"POST /api/v1/uploads HTTP/1.1\r\nHost: x\r\nX-A",), half_close=True),
    Wire("an unknown version", (b"GET / HTTP/9.9\r\nHost: x\r\nConnection: close\r\n\r\n",)),
    Wire("HTTP/0.9", (b"GET /\r\n\r\n",)),
    Wire("HTTP/2 preface", (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",), half_close=True),
    Wire("a method of odd letters", (head(method="GE(T"),)),
    Wire("an unknown method", (head(method="BREW"),)),
    Wire("a very long method", (head(method="A" * 20_000),)),
    Wire("a very long target", (head(target="/" + "a" * 20_000),)),
    Wire("a target without slash", (head(target="api"),)),
    Wire("an absolute target", (head(target="http://elsewhere/api/v1/uploads"),)),
    Wire("an absolute target of junk", (head(target="http://[::1:99999/"),)),
    Wire("the asterisk target", (head(target="*", method="OPTIONS"),)),
    Wire("an authority target", (head(target="example.com:443", method="CONNECT"),)),
    Wire("NUL in the target", (head(target="/api/\x00"),)),
    Wire("raw bytes in the target", (b"GET /public/\xff\xfe HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",)),
    Wire("percent-encoded junk", (head(target="/public/%ff%fe%00%zz%", method="GET"),)),
    Wire("dots in the target", (head(target="/public/../../etc/passwd", method="GET"),)),
    Wire("encoded dots in the target", (head(target="/renditions/%2e%2e/%2e%2e%2fx", method="GET"),)),
    Wire("backslashes", (head(target="/public\\..\\x", method="GET"),)),
    Wire("a header of 20 kB", (head("X-Long: " + "a" * 20_000),)),
    Wire("a header name of 20 kB", (head("a" * 20_000 + ": x"),)),
    Wire("a thousand headers", (head(*(f"X-{n}: x" for n in range(1000))),)),
    Wire("a header without colon", (head("nonsense"),)),
    Wire("a header name with a space", (head("X Y: 1"),)),
    Wire("an empty header name", (head(": 1"),)),
    Wire("a folded header", (head("X-A: 1", " folded"),)),
    Wire("NUL in a header", (head("X-A: \x00"),)),
    Wire("a lone carriage return in a header", (head("X-A: a\rb"),)),
    Wire("bytes above 127 in the API key", (post(JSON, b"X-API-Key: \xff\xfe\x80"),)),
    Wire("an API key of 8 kB", (post(JSON, "X-API-Key: " + "k" * 8000),)),
    Wire("bare line feeds", (b"POST /api/v1/uploads HTTP/1.1\nHost: x\nConnection: close\n\n",), half_close=True),
    Wire("no Host", (b"GET /api/v1/uploads HTTP/1.1\r\nConnection: close\r\n\r\n",)),
    Wire("two Hosts", (head("Host: y", method="GET"),)),
    Wire("two Content-Lengths", (head("Content-Length: 1", "Content-Length: 2") + b"xx",)),
    Wire("a negative Content-Length", (head("Content-Length: -1"),)),
    Wire("a Content-Length with plus", (head("Content-Length: +5") + b"hello",)),
    Wire("a hexadecimal Content-Length", (head("Content-Length: 0x5") + b"hello",)),
    Wire("a huge Content-Length", (head("Content-Type: application/json", "Content-Length: " + "9" * 30),)),
    Wire("a large Content-Length", (head("Content-Type: application/json", "Content-Length: 99999999999"),), half_close=True),
    Wire("Content-Length and chunked", (head("Content-Length: 5", "Transfer-Encoding: chunked") + b"0\r\n\r\n",)),
    Wire("an unknown transfer coding", (head("Transfer-Encoding: gzip") + b"x",)),
    Wire("chunked twice", (head("Transfer-Encoding: chunked, chunked") + b"0\r\n\r\n",)),
    Wire("chunked in HTTP/1.0", (CHUNKED.replace(b"HTTP/1.1", b"HTTP/1.0") + b"0\r\n\r\n",)),
    Wire("a chunk size of junk", (CHUNKED + b"xyz\r\n",)),
    Wire("a negative chunk size", (CHUNKED + b"-1\r\n",)),
    Wire("a huge chunk size", (CHUNKED + b"f" * 40 + b"\r\n",)),
    Wire("a chunk without end", (CHUNKED + b"5\r\nhelloXX",)),
    Wire("a chunk extension of 20 kB", (CHUNKED + b"5;" + b"a" * 20_000 + b"\r\nhello\r\n0\r\n\r\n",)),
    Wire("trailers without end", (CHUNKED + b"0\r\n" + b"X-A: b\r\n" * 5000,), half_close=True),
    Wire("a chunked body over the limit", (CHUNKED, *(b"10000\r\n" + b" " * 65536 + b"\r\n" for _ in range(4)))),
    Wire("a chunked body that stops", (CHUNKED + b"ff\r\n{",), half_close=True),
    Wire("a body that stops", (UNDER_WAY + b"{",), half_close=True),
    Wire("more body than announced", (post(JSON) + b"x" * 1000,)),
    Wire("no body", (post(b""),)),
    Wire("a body of NULs", (post(b"\x00" * 100),)),
    Wire("invalid UTF-8", (post(b'{"owner": "\xff\xfe"}'),)),
    Wire("an escaped NUL", (post(b'{"owner": "org-\\u0000", "uploader": "customer"}'),)),
    Wire("a lone surrogate", (post(b'{"owner": "org-\\udc00", "uploader": "customer"}'),)),
    Wire("deep nesting", (post(b'{"owner": ' + b"[" * 30_000 + b"]" * 30_000 + b"}"),)),
    Wire("a number of 5000 digits", (post(b'{"owner": ' + b"9" * 5000 + b"}"),)),
    Wire("an infinite number", (post(b'{"owner": "org-x", "uploader": "customer", "audio_duration_seconds": 1e999}'),)),
    Wire("a gzip body", (post(b"\x1f\x8b\x08\x00", "Content-Encoding: gzip"),)),
    Wire("a body on GET", (head("Content-Length: 5", target="/public/x", method="GET") + b"hello",)),
    Wire("an odd Expect", (head("Expect: 200-ok", "Content-Length: 2") + b"{}",)),
    Wire("Expect without body", (head("Expect: 100-continue", "Content-Length: 2"),), half_close=True),
    Wire(
        "an upgrade to WebSocket", (head("Upgrade: websocket", "Connection: Upgrade", method="GET", target="/public/x"),), True
    ),
    Wire("an upgrade to h2c", (head("Upgrade: h2c", "HTTP2-Settings: AAA", target="/public/x", method="GET"),)),
    Wire("an odd traceparent", (head("traceparent: 00-" + "g" * 32 + "-x-01", target="/public/x", method="GET"),)),
    Wire("an odd Range", (head("Range: bytes=" + "9" * 7000 + "-", target="/public/x", method="GET"),)),
    Wire("odd dates", (head("If-Modified-Since: 99999999999999999999", target="/public/x", method="GET"),)),
    Wire("an odd Content-Type", (head("Content-Type: ;;;=\xff", "Content-Length: 2") + b"{}",)),
    Wire("odd cookies", (head('Cookie: a="\x80\xff; ;=;', target="/public/x", method="GET"),)),
]


@pytest.mark.parametrize("wire", CORPUS, ids=lambda wire: wire.name)
def test_malformed_http_is_refused_without_a_fault_or_a_hang(gateway: Address, wire: Wire) -> None:
    with socket.create_connection((gateway.host, gateway.port), timeout=PATIENCE_SECONDS) as connection:
        answer = _exchange(connection, wire)
    statuses = [int(line.split()[1]) for line in answer.split(b"\r\n") if line.startswith(b"HTTP/")]
    assert [status for status in statuses if status >= 500] == [], answer[:500]
    assert b"Traceback" not in answer
    if not wire.half_close:
        assert statuses and max(statuses) >= 400, answer[:500]


def test_after_all_of_that_the_gateway_still_serves(gateway: Address) -> None:
    answer = requests.get(f"{gateway.url}/platform/v1/uploads", headers={"X-API-Key": gateway.api_key}, timeout=10)
    assert answer.status_code == 200


def test_a_body_in_single_bytes_is_taken(gateway: Address) -> None:
    body = json.dumps({"owner": gateway.org, "uploader": "customer"}).encode()
    request = post(body, f"X-API-Key: {gateway.api_key}")
    with socket.create_connection((gateway.host, gateway.port), timeout=PATIENCE_SECONDS) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in request:
            connection.sendall(bytes([byte]))
        assert _read_all(connection).startswith(b"HTTP/1.1 200")


def test_pipelined_requests_are_answered_in_order(gateway: Address) -> None:
    requests_sent = b"".join(
        head(target=f"/public/{n}", method="GET").replace(b"Connection: close\r\n", b"" if n < 19 else b"Connection: close\r\n")
        for n in range(20)
    )
    with socket.create_connection((gateway.host, gateway.port), timeout=PATIENCE_SECONDS) as connection:
        connection.sendall(requests_sent)
        answer = _read_all(connection)
    assert answer.count(b"HTTP/1.1 404") == 20


def _exchange(connection: socket.socket, wire: Wire) -> bytes:
    try:
        for piece in wire.pieces:
            connection.sendall(piece)
        if wire.half_close:
            connection.shutdown(socket.SHUT_WR)
    except (BrokenPipeError, ConnectionResetError):
        pass  # refused before all of it was sent
    return _read_all(connection)


def _read_all(connection: socket.socket) -> bytes:
    """Until the server closes. A connection that stays open longer than the socket's timeout is a hang."""
    received = bytearray()
    while True:
        try:
            chunk = connection.recv(65536)
        except ConnectionResetError:
            break
        if not chunk:
            break
        received += chunk
    return bytes(received)
