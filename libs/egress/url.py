"""Judges an address that a user supplied, before anything is sent to it.

`check_url` is pure. `check_host` also asks DNS, so that a name that leads inside is refused when it is registered; a name
that does not resolve now is not refused, for it may later. Neither replaces the check at the connection (`client`).
"""

import asyncio
import re
import socket
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, ip_address
from typing import Final, Literal

from yarl import URL  # the parser of the client that will dial: no second opinion about where the host ends

from libs.egress.policy import Address, Policy
from libs.egress.resolver import addresses_of

MAX_URL_CHARACTERS: Final = 2048
SCHEMES: Final = ("http", "https")
RESOLVE_SECONDS: Final = 2.0

UrlRefusal = Literal[
    "scheme_invalid", "scheme_missing", "host_missing", "host_malformed",
    "userinfo", "port_forbidden", "too_long", "address_forbidden",
]  # fmt: skip

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*):")
_NOT_IN_A_URL = re.compile(r"[\x00-\x20\x7f\\]")
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
    """As it was given."""
    scheme: str
    host: str
    """Lower case, in its ASCII form, without a trailing dot; an IP literal in its usual spelling."""
    port: int
    addresses: tuple[Address, ...] = ()
    """What the host stands for; empty where it is a name that was not resolved."""
    is_answered: bool = True
    """False: nobody said within the time what the name stands for, or that it stands for nothing."""


Resolve = Callable[[str, int], Awaitable[Sequence[Address]]]
"""Takes a name and a port. Raises OSError where the name has no address now."""


def check_url(url: str, policy: Policy) -> CheckedUrl:
    """Everything that can be said without DNS.

    Raises:
        UrlRefusedError
    """
    if len(url) > MAX_URL_CHARACTERS:
        raise UrlRefusedError("too_long", f"A URL has at most {MAX_URL_CHARACTERS} characters.")
    _check_scheme(url)
    if _NOT_IN_A_URL.search(url):
        raise UrlRefusedError("host_malformed", "A URL holds no white space, control characters or backslashes.")
    try:
        parsed = URL(url)
        port = parsed.explicit_port if parsed.explicit_port is not None else parsed.port
    except ValueError:
        raise UrlRefusedError("host_malformed", "Host or port of the URL are malformed.") from None
    if not parsed.raw_host:
        raise UrlRefusedError("host_missing", "The URL has no host.")
    if "@" in _authority(url):
        raise UrlRefusedError("userinfo", "A URL with a user name or password is not accepted.")
    host, address = _host(parsed.raw_host)
    assert port is not None, "http and https have a default port"
    if not policy.is_port_allowed(port, address):
        raise UrlRefusedError("port_forbidden", f"Port {port} is not accepted.")
    if address is not None and not policy.is_allowed(address):
        raise UrlRefusedError("address_forbidden", "The URL leads to an address that is not public.")
    return CheckedUrl(url, parsed.scheme, host, port, () if address is None else (address,))


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


def _check_scheme(url: str) -> None:
    scheme = _SCHEME.match(url)
    if scheme is None:
        raise UrlRefusedError("scheme_missing", "The URL must start with https:// or http://.")
    if scheme[1].lower() not in SCHEMES:
        raise UrlRefusedError("scheme_invalid", "Only https and http URLs are accepted.")


def _authority(url: str) -> str:
    return re.split(r"[/?#]", url.partition("://")[2], maxsplit=1)[0]


def _host(raw_host: str) -> tuple[str, Address | None]:
    """The host in its usual spelling, and its address if it is a literal in any spelling."""
    name = raw_host.lower()
    if ":" in name:
        try:
            address = ip_address(name)
        except ValueError:
            raise UrlRefusedError("host_malformed", "The URL's host is not an IPv6 address.") from None
        return str(address), address
    name = name.removesuffix(".")
    labels = name.split(".")
    if _NUMERIC_LABEL.fullmatch(labels[-1]):  # then it can only be an IPv4 address: https://url.spec.whatwg.org/#host-parsing
        return _ipv4(name)
    if len(name) > 253 or not all(map(_LABEL.fullmatch, labels)):
        raise UrlRefusedError("host_malformed", "The URL's host is not a valid name.")
    return name, None


def _ipv4(name: str) -> tuple[str, Address]:
    """Decimal, hexadecimal, octal and short forms, as inet_aton(3) and so every C program reads them."""
    try:
        address = IPv4Address(socket.inet_aton(name))
    except OSError:
        raise UrlRefusedError("host_malformed", "The URL's host is not an IPv4 address.") from None
    return str(address), address
