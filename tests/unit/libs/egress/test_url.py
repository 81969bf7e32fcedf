import asyncio
import re
from collections.abc import Sequence
from contextlib import suppress
from ipaddress import ip_address
from threading import Event, Semaphore

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from libs.egress.policy import Address, Policy, parse_networks
from libs.egress.url import CheckedUrl, Resolve, UrlRefusal, UrlRefusedError, check_host, check_url
from tests.unit.libs.egress.corpus import lines

PUBLIC_ONLY = Policy()
LOOPBACK_TOO = Policy(parse_networks("127.0.0.0/8, ::1/128"))


def refusal(url: str, policy: Policy = PUBLIC_ONLY) -> UrlRefusal | None:
    try:
        check_url(url, policy)
    except UrlRefusedError as error:
        return error.code
    return None


def answering(*addresses: str) -> Resolve:
    async def resolve(name: str, port: int) -> Sequence[Address]:
        return [ip_address(address) for address in addresses]

    return resolve


@pytest.mark.parametrize("url", lines("loopback_urls.txt"))
def test_every_spelling_of_this_machine_is_refused(url: str) -> None:
    assert refusal(url.replace("PORT", "8080"))


@pytest.mark.parametrize(
    ("url", "host", "port"),
    [
        ("https://example.com/hook?a=b@c#d", "example.com", 443),
        ("http://Example.COM./", "example.com", 80),
        ("https://bücher.example:8443/", "xn--bcher-kva.example", 8443),
        ("https://xn--bcher-kva.example/", "xn--bcher-kva.example", 443),
        ("http://8.8.8.8:3000/", "8.8.8.8", 3000),
        ("http://134744072/", "8.8.8.8", 80),
        ("https://[2606:4700:4700::1111]/", "2606:4700:4700::1111", 443),
        ("https://my_host.example/", "my_host.example", 443),
    ],
)
def test_urls_that_may_be_called(url: str, host: str, port: int) -> None:
    checked = check_url(url, PUBLIC_ONLY)
    assert (checked.url, checked.host, checked.port) == (url, host, port)


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("", "scheme_missing"),
        ("example.com/hook", "scheme_missing"),
        ("//example.com/hook", "scheme_missing"),
        ("ftp://example.com/", "scheme_invalid"),
        ("javascript:alert(1)", "scheme_invalid"),
        ("ws://example.com/", "scheme_invalid"),
        ("http://", "host_missing"),
        ("http:///hook", "host_missing"),
        ("https:example.com", "host_missing"),
        ("http://a..b/", "host_malformed"),
        ("http://-a.example/", "host_malformed"),
        ("http://exa mple.com/", "host_malformed"),
        ("http://example.com/a\nb", "malformed"),
        ("http://example.com\\@127.0.0.1/", "malformed"),
        ("http://example.com:http/", "host_malformed"),
        ("http://example.com:99999/", "host_malformed"),
        ("http://1.2.3.4.5/", "host_malformed"),
        ("http://256.1.1.1/", "host_malformed"),
        ("http://[::1/", "host_malformed"),
        (f"http://{'a' * 64}.example/", "host_malformed"),
        (f"http://{'a.' * 130}example/", "host_malformed"),
        ("http://user@example.com/", "userinfo"),
        ("http://user:password@example.com/", "userinfo"),
        ("http://@example.com/", "userinfo"),
        ("http://example.com:25/", "port_forbidden"),
        ("http://8.8.8.8:0/", "port_forbidden"),
        ("http://example.com/" + "a" * 2030, "too_long"),
        ("http://10.0.0.1/", "address_forbidden"),
        ("http://169.254.169.254/latest/meta-data/", "address_forbidden"),
        ("http://[fd00:ec2::254]/", "address_forbidden"),
    ],
)
def test_refusals_have_stable_codes(url: str, code: str) -> None:
    assert refusal(url) == code


def test_url_that_was_made_here_goes_out_exactly_as_it_is_spelled() -> None:
    spelled = "https://example.com:8443/a/../b//%2e%2E/c?d='e'"
    assert check_url(URL(spelled, encoded=True), PUBLIC_ONLY).sent == spelled


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("http://10.0.0.1/", "address_forbidden"),
        ("http://user@example.com/", "userinfo"),
        ("http://example.com:25/", "port_forbidden"),
        ("http://example.com/a b", "malformed"),
        ("ftp://example.com/", "scheme_invalid"),
        ("/a", "scheme_missing"),
        ("http:///a", "host_missing"),
    ],
)
def test_url_that_was_made_here_is_checked_too(url: str, code: str) -> None:
    with pytest.raises(UrlRefusedError) as refused:
        check_url(URL(url, encoded=True), PUBLIC_ONLY)
    assert refused.value.code == code


def test_an_allowed_network_opens_its_literals_on_every_port() -> None:
    for url in ("http://127.0.0.1:81/", "http://[::1]:81/", "http://[::ffff:127.0.0.1]/", "http://2130706433/"):
        assert refusal(url, LOOPBACK_TOO) is None
    assert refusal("http://10.0.0.1/", LOOPBACK_TOO) == "address_forbidden"


@given(st.one_of(st.text(), st.text().map("http://{}".format), st.from_regex(r"https?://[\[\]0-9a-fx:.@%/-]*")))
def test_whatever_the_text_the_answer_is_a_checked_url_or_a_refusal(url: str) -> None:
    with suppress(UrlRefusedError):
        checked = check_url(url, PUBLIC_ONLY)
        assert all(map(PUBLIC_ONLY.is_allowed, checked.addresses))
        assert re.fullmatch(r"https?://[a-z0-9_.:\[\]-]+/[\x21-\x7e]*", checked.sent)
        assert check_url(checked.sent, PUBLIC_ONLY, max_characters=len(checked.sent)).sent == checked.sent


async def test_a_name_with_one_forbidden_address_is_refused() -> None:
    with pytest.raises(UrlRefusedError) as refused:
        await check_host("https://example.com/", PUBLIC_ONLY, resolve=answering("8.8.8.8", "::ffff:10.0.0.1"))
    assert refused.value.code == "address_forbidden"


async def test_a_name_with_public_addresses_is_accepted() -> None:
    checked = await check_host("https://example.com/", PUBLIC_ONLY, resolve=answering("8.8.8.8"))
    assert checked == CheckedUrl("https://example.com/", "https", "example.com", 443, "/", (ip_address("8.8.8.8"),))


async def test_an_odd_port_of_a_name_is_accepted_only_where_its_addresses_are_opened() -> None:
    await check_host("http://receiver.test:81/", LOOPBACK_TOO, resolve=answering("127.0.0.1"))
    with pytest.raises(UrlRefusedError) as refused:
        await check_host("http://receiver.test:81/", LOOPBACK_TOO, resolve=answering("8.8.8.8"))
    assert refused.value.code == "port_forbidden"


async def test_a_name_that_does_not_resolve_is_accepted_without_addresses() -> None:
    async def fail(name: str, port: int) -> Sequence[Address]:
        raise OSError("no such name")

    checked = await check_host("https://nowhere.invalid/", PUBLIC_ONLY, resolve=fail)
    assert (checked.addresses, checked.is_answered) == ((), True)


async def test_a_name_that_resolves_too_slowly_is_accepted_without_addresses() -> None:
    async def hang(name: str, port: int) -> Sequence[Address]:
        await asyncio.Event().wait()
        raise AssertionError

    checked = await check_host("https://slow.test/", PUBLIC_ONLY, resolve=hang, timeout_seconds=0.01)
    assert (checked.addresses, checked.is_answered) == ((), False)


async def test_this_machines_own_name_is_refused_by_its_address() -> None:
    with pytest.raises(UrlRefusedError) as refused:
        await check_host("http://localhost:8080/", PUBLIC_ONLY)
    assert refused.value.code == "address_forbidden"


async def test_slow_names_hold_up_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, over = Semaphore(0), Event()

    def getaddrinfo(name: str, port: int, *kinds: int) -> list[object]:
        if name == "slow.test":
            asked.release()
            over.wait(30)
        return [(*kinds, 0, "", ("8.8.8.8", port))]

    monkeypatch.setattr("socket.getaddrinfo", getaddrinfo)
    slow = [asyncio.create_task(check_host("https://slow.test/", PUBLIC_ONLY, timeout_seconds=30)) for _ in range(10)]
    for _ in slow:
        await asyncio.to_thread(asked.acquire, timeout=30)

    checked = await check_host("https://quick.test/", PUBLIC_ONLY, timeout_seconds=30)

    assert checked.addresses == (ip_address("8.8.8.8"),)
    assert not any(task.done() for task in slow)
    over.set()
    await asyncio.gather(*slow)
