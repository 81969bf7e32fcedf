"""Which addresses and ports may be dialled. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from typing import Final, TypeAlias

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network

# `is_global` says yes to all of these. https://www.iana.org/assignments/iana-ipv4-special-registry and -ipv6-special-registry
DENIED: Final[tuple[Network, ...]] = tuple(
    ip_network(network)
    for network in (
        "192.0.0.0/24",  # protocol assignments
        "192.31.196.0/24",  # AS112
        "192.52.193.0/24",  # AMT
        "192.88.99.0/24",  # 6to4 relays
        "192.175.48.0/24",  # AS112
        "::/96",  # IPv4-compatible
        "64:ff9b::/96",  # NAT64: an IPv4 address inside
        "64:ff9b:1::/48",  # NAT64, local use
        "100::/64",  # discard
        "100:0:0:1::/64",  # dummy prefix
        "2001::/23",  # protocol assignments, Teredo among them
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4: an IPv4 address inside
        "2620:4f:8000::/48",  # AS112
        "3fff::/20",  # documentation
        "5f00::/16",  # segment routing
        "fec0::/10",  # site-local
    )
)

WELL_KNOWN_PORTS: Final = frozenset({80, 443, 8443})
FIRST_FREE_PORT: Final = 1024


@dataclass(frozen=True)
class Policy:
    """Public unicast addresses, and the networks of `allow` although they are not public.

    An allowed network that is wider than the link-local range does not open that range: cloud metadata services live there.
    """

    allow: Sequence[Network] = ()

    def is_allowed(self, address: Address) -> bool:
        address = unmapped(address)
        return self._is_opened(address) or is_public(address)

    def is_port_allowed(self, port: int, address: Address | None) -> bool:
        """`address` None: not resolved yet; the answer is no only when no address could make it yes."""
        if port in WELL_KNOWN_PORTS or port >= FIRST_FREE_PORT:
            return True
        return port > 0 and (bool(self.allow) if address is None else self._is_opened(unmapped(address)))

    def _is_opened(self, address: Address) -> bool:
        return any(address in network and (network.is_link_local or not address.is_link_local) for network in self.allow)


def is_public(address: Address) -> bool:
    """Globally routed unicast, and not a range that carries or stands for another address."""
    if not address.is_global or address.is_multicast or address.is_reserved:
        return False
    return not any(address in network for network in DENIED)


def unmapped(address: Address) -> Address:
    """`::ffff:127.0.0.1` is 127.0.0.1: the kernel dials the IPv4 address."""
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def parse_networks(text: str) -> tuple[Network, ...]:
    """Comma-separated networks or addresses, e.g. `127.0.0.0/8, ::1/128`. Raises ValueError for anything else."""
    return tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())
