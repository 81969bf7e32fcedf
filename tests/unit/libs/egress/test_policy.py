from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.egress.policy import Policy, parse_networks
from tests.unit.libs.egress.corpus import lines

PUBLIC = [
    "8.8.8.8",
    "1.1.1.1",
    "2606:4700:4700::1111",
    "2a00:1450:4001:80b::200e",
    "::ffff:8.8.8.8",
    "100.63.255.255",
    "172.32.0.1",
]


@pytest.mark.parametrize("address", lines("addresses.txt"))
def test_addresses_that_are_not_public_unicast_are_denied(address: str) -> None:
    assert not Policy().is_allowed(ip_address(address))


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_allowed(address: str) -> None:
    assert Policy().is_allowed(ip_address(address))


@given(st.ip_addresses(v=4))
def test_a_mapped_address_is_judged_like_the_ipv4_address_in_it(address: object) -> None:
    for policy in (Policy(), Policy(parse_networks("127.0.0.0/8, 10.1.0.0/16"))):
        assert policy.is_allowed(ip_address(f"::ffff:{address}")) == policy.is_allowed(ip_address(str(address)))


def test_an_allowed_network_opens_itself_alone() -> None:
    policy = Policy(parse_networks("10.1.0.0/16, ::1"))
    assert policy.is_allowed(ip_address("10.1.255.255"))
    assert policy.is_allowed(ip_address("::ffff:10.1.0.1"))
    assert policy.is_allowed(ip_address("::1"))
    assert not policy.is_allowed(ip_address("10.2.0.0"))
    assert not policy.is_allowed(ip_address("127.0.0.1"))
    assert policy.is_allowed(ip_address("8.8.8.8"))


def test_a_wide_network_does_not_open_the_metadata_address() -> None:
    metadata = ip_address("169.254.169.254")
    assert not Policy(parse_networks("0.0.0.0/0")).is_allowed(metadata)
    assert Policy(parse_networks("169.254.169.254/32")).is_allowed(metadata)


@pytest.mark.parametrize(
    ("port", "allowed"),
    [(80, True), (443, True), (8443, True), (1024, True), (65535, True), (22, False), (1023, False), (0, False)],
)
def test_ports_of_public_addresses(port: int, allowed: bool) -> None:
    assert Policy().is_port_allowed(port, ip_address("8.8.8.8")) is allowed
    assert Policy().is_port_allowed(port, None) is allowed


def test_every_port_of_an_allowed_network_is_open() -> None:
    policy = Policy(parse_networks("127.0.0.0/8"))
    assert policy.is_port_allowed(25, ip_address("127.0.0.1"))
    assert policy.is_port_allowed(25, None)
    assert not policy.is_port_allowed(25, ip_address("8.8.8.8"))
    assert not policy.is_port_allowed(0, ip_address("127.0.0.1"))


@pytest.mark.parametrize("text", ["localhost", "10.0.0.1/8", "10.0.0.0/33", "10.0.0.0/8;::1"])
def test_networks_that_are_not_networks_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_networks(text)


def test_no_networks_are_no_networks() -> None:
    assert parse_networks(" ") == ()
