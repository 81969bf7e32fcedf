"""Checks an address that a user supplied, before anything is sent to it, and says how it goes out.

`check_url` is pure. What it checks is what is dialled and sent: the client makes its request of a `CheckedUrl`, never of the
text, so that no two parsers can differ about it. `check_host` also asks DNS, so that a name that leads inside is refused when
it is registered; a name that does not resolve now is not refused, for it may later. Neither replaces the check at the
connection (`client`).
"""

import asyncio
import re
import socket
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final, Literal

from yarl import URL

from libs.egress.policy import Address, Policy
from libs.egress.resolver import addresses_of
from libs.egress.spelling import request_target

MAX_URL_CHARACTERS: Final = 2048
"""Of an address that a user supplies; what redirects name may be longer."""
SCHEMES: Final = ("http", "https")
DEFAULT_PORTS: Final = {"http": 80, "https": 443}
RESOLVE_SECONDS: Final = 2.0

UrlRefusal = Literal[
    "scheme_invalid", "scheme_missing", "host_missing", "host_malformed", "malformed",
    "userinfo", "port_forbidden", "too_long", "address_forbidden",
]  # fmt: skip

_URL = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.\-]*):(?://(?P<authority>[^/?#\\]*))?(?P<path>[^?#]*)(?:\?(?P<query>[^#]*))?(?:#.*)?"
)
_AUTHORITY = re.compile(r"(?P<host>\[[^\]%]*\]|[^:]*)(?::(?P<port>[0-9]{0,9}))?")
_CONTROLS = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_TARGET = re.compile(r"/[\x21-\x7e]*")
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_\-]{0,61}[a-z0-9_])?")
_NUMERIC_LABEL = re.compile(r"[0-9]+|0x[0-9a-f]*")


class UrlRefusedError(Exception):
    """This address will not be called. `code` is stable, `message` is fit for the user who supplied it."""

    def __init__(self, code: UrlRefusal, message: str) -> None:
        super().__init__(message)
        self.code: UrlRefusal = code
        self.message = message


@dataclass(frozen=True)
class CheckedUrl:
    url: str
    """As it was given, without white space around it."""
    scheme: str
    host: str
    """Lower case, in its ASCII form, without a trailing dot; an IP literal in its usual spelling."""
    port: int
    target: str
    """Path and query as the request line holds them, see `spelling`."""
    addresses: tuple[Address, ...] = ()
    """What the host stands for; empty where it is a name that was not resolved."""
    is_answered: bool = True
    """False: nobody said within the time what the name stands for, or that it stands for nothing."""

    @property
    def authority(self) -> str:
        """Host, and port where it is not the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def origin(self) -> str:
        return f"{self.scheme}://{self.authority}"

    @property
    def sent(self) -> str:
        """The URL as it goes out."""
        return self.origin + self.target


Resolve = Callable[[str, int], Awaitable[Sequence[Address]]]
"""Takes a name and a port. Raises OSError where the name has no address now."""


def check_url(url: str | URL, policy: Policy, *, max_characters: int = MAX_URL_CHARACTERS) -> CheckedUrl:
    """Everything that can be said without DNS. A `URL` was made here, signed perhaps: it goes out exactly as it is spelled.

    Raises:
        UrlRefusedError
    """
    checked = _exact(url) if isinstance(url, URL) else parse_url(url, max_characters=max_characters)
    address = checked.addresses[0] if checked.addresses else None
    if not policy.is_port_allowed(checked.port, address):
        raise UrlRefusedError("port_forbidden", f"Port {checked.port} is not accepted.")
    if address is not None and not policy.is_allowed(address):
        raise UrlRefusedError("address_forbidden", "The URL leads to an address that is not public.")
    return checked


def parse_url(url: str, *, max_characters: int = MAX_URL_CHARACTERS) -> CheckedUrl:
    """A user's words, read as browsers read them; what browsers would only guess is refused. Wherever it leads.

    Raises:
        UrlRefusedError
    """
    url = url.strip()
    if len(url) > max_characters:
        raise UrlRefusedError("too_long", f"A URL has at most {max_characters} characters.")
    if _CONTROLS.search(url):
        raise UrlRefusedError("malformed", "A URL holds no control characters and no line breaks.")
    parts = _URL.fullmatch(url)
    scheme = _scheme(parts["scheme"] if parts else None)
    assert parts is not None, "there is no scheme where there are no parts"
    authority, path = parts["authority"], parts["path"]
    if not authority:
        raise UrlRefusedError("host_missing", "The URL has no host.")
    if path.startswith("\\"):
        raise UrlRefusedError("malformed", "A URL's host does not end with a backslash.")
    host, port, address = _authority(authority, scheme)
    return CheckedUrl(url, scheme, host, port, request_target(path, parts["query"]), () if address is None else (address,))


async def resolve_name(name: str, port: int) -> Sequence[Address]:
    """The operating system's answer."""
    return [ip_address(sockaddr[0]) for *_, sockaddr in await addresses_of(name, port)]


async def check_host(
    url: str, policy: Policy, *, resolve: Resolve = resolve_name, timeout_seconds: float = RESOLVE_SECONDS
) -> CheckedUrl:
    """`check_url`, then the addresses of a name: all of them must be allowed.

    A name that does not resolve, or not within `timeout_seconds`, comes back with no addresses.

    Raises:
        UrlRefusedError
    """
    checked = check_url(url, policy)
    if checked.addresses:
        return checked
    addresses: Sequence[Address] = ()
    try:
        async with asyncio.timeout(timeout_seconds):
            with suppress(OSError, UnicodeError):
                addresses = await resolve(checked.host, checked.port)
    except TimeoutError:
        return replace(checked, is_answered=False)
    if not all(map(policy.is_allowed, addresses)):
        raise UrlRefusedError("address_forbidden", "The URL leads to an address that is not public.")
    if not all(policy.is_port_allowed(checked.port, address) for address in addresses):
        raise UrlRefusedError("port_forbidden", f"Port {checked.port} is not accepted.")
    return replace(checked, addresses=tuple(addresses))


def _exact(url: URL) -> CheckedUrl:
    scheme, target = _scheme(url.scheme or None), url.raw_path_qs
    if not _TARGET.fullmatch(target):
        raise UrlRefusedError("malformed", "The URL has characters that have to be percent-encoded.")
    host, port, address = _authority(url.raw_authority, scheme)
    return CheckedUrl(str(url), scheme, host, port, target, () if address is None else (address,))


def _scheme(scheme: str | None) -> str:
    if scheme is None:
        raise UrlRefusedError("scheme_missing", "The URL must start with https:// or http://.")
    if scheme.lower() not in SCHEMES:
        raise UrlRefusedError("scheme_invalid", "Only https and http URLs are accepted.")
    return scheme.lower()


def _authority(text: str, scheme: str) -> tuple[str, int, Address | None]:
    """Host, port, and the host's address if it is a literal in any spelling."""
    if "@" in text:
        raise UrlRefusedError("userinfo", "A URL with a user name or password is not accepted.")
    parts = _AUTHORITY.fullmatch(text)
    port = int(parts["port"] or DEFAULT_PORTS[scheme]) if parts else None
    if parts is None or port is None or port > 65535:
        raise UrlRefusedError("host_malformed", "Host or port of the URL are malformed.")
    if not parts["host"]:
        raise UrlRefusedError("host_missing", "The URL has no host.")
    host, address = _host(parts["host"])
    return host, port, address


def _host(text: str) -> tuple[str, Address | None]:
    """The host in its usual spelling, and its address if it is a literal in any spelling."""
    if text.startswith("["):
        try:
            address = IPv6Address(text[1:-1])
        except ValueError:
            raise UrlRefusedError("host_malformed", "The URL's host is not an IPv6 address.") from None
        return str(address), address
    name = _ascii(text).lower().removesuffix(".")
    labels = name.split(".")
    if _NUMERIC_LABEL.fullmatch(labels[-1]):  # then it can only be an IPv4 address: https://url.spec.whatwg.org/#host-parsing
        return _ipv4(name)
    if len(name) > 253 or not all(map(_LABEL.fullmatch, labels)):
        raise UrlRefusedError("host_malformed", "The URL's host is not a valid name.")
    return name, None


def _ascii(name: str) -> str:
    """Of an internationalised name: its form for DNS (UTS #46)."""
    try:
        return URL.build(scheme="http", host=name).raw_host or ""
    except ValueError:
        raise UrlRefusedError("host_malformed", "The URL's host is not a valid name.") from None


def _ipv4(name: str) -> tuple[str, Address]:
    """Decimal, hexadecimal, octal and short forms, as inet_aton(3) and so every C program reads them."""
    try:
        address = IPv4Address(socket.inet_aton(name))
    except OSError:
        raise UrlRefusedError("host_malformed", "The URL's host is not an IPv4 address.") from None
    return str(address), address
