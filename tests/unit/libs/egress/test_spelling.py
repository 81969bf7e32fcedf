"""How addresses go out. The expected values are those of browsers (`new URL(…)`), but for the apostrophe in a query."""

import pytest

from libs.egress.spelling import resolve_reference
from libs.egress.url import UrlRefusedError, parse_url

HOST = "http://h.example"


@pytest.mark.parametrize(
    "target",
    [
        "/a%2Fb%28c%29%7E%3A%20d+e", "/%c3%a9%C3%A9", "/a//b/", "//", "/a;b=c/d,e", "/~x'(y)!*$&:@[]|", "/100%", "/%zz",
        "/?", "/?a", "/?a=b?c=/../d", "/a?X-Amz-Signature=0f%2B%2f&x=%7E~+%20", "/?a='b'&&=&[]{}|^`\\", "/...", "/%2e.a",
    ],
)  # fmt: skip
def test_target_that_a_url_may_have_goes_out_as_it_is_spelled(target: str) -> None:
    assert parse_url(HOST + target).sent == HOST + target


@pytest.mark.parametrize(
    ("target", "sent"),
    [
        ("", "/"),
        ("?", "/?"),
        ("?a=b", "/?a=b"),
        ("/my file.csv", "/my%20file.csv"),
        ("/my%20file 2.csv?a b=c d", "/my%20file%202.csv?a%20b=c%20d"),
        ('/"<>`{}^"', "/%22%3C%3E%60%7B%7D%5E%22"),
        ('/?"<>', "/?%22%3C%3E"),
        ("/Käse/日本?ü=😀", "/K%C3%A4se/%E6%97%A5%E6%9C%AC?%C3%BC=%F0%9F%98%80"),
        ("/a\\b", "/a/b"),
        ("/a?b#c", "/a?b"),
        ("/a#?b", "/a"),
    ],
)
def test_only_what_no_url_may_hold_is_percent_encoded(target: str, sent: str) -> None:
    assert parse_url(HOST + target).target == sent


@pytest.mark.parametrize(
    ("path", "sent"),
    [
        ("/a/./b/../c", "/a/c"),
        ("/a/b/..", "/a/"),
        ("/a/b/.", "/a/b/"),
        ("/..", "/"),
        ("/../../a", "/a"),
        ("/a/%2e%2E/b/.%2e/%2e/c", "/c"),
        ("/a//../b", "/a/b"),
        ("/a/..//", "//"),
        ("/a\\..\\b", "/b"),
    ],
)
def test_dot_segments_are_taken_out_as_browsers_do(path: str, sent: str) -> None:
    assert parse_url(HOST + path).target == sent


@pytest.mark.parametrize("url", [f" {HOST}/a ", f"\n\t{HOST}/a\r\n", f"\u00a0{HOST}/a\u3000"])
def test_white_space_around_a_pasted_url_is_stripped(url: str) -> None:
    parsed = parse_url(url)
    assert (parsed.url, parsed.sent) == (f"{HOST}/a", f"{HOST}/a")


@pytest.mark.parametrize("url", [f"{HOST}/a\r\nb", f"{HOST}/a\tb", f"{HOST}/a\x00", f"{HOST}/\udc80", f"{HOST}\\@b.example/"])
def test_url_that_two_parsers_might_read_differently_is_refused(url: str) -> None:
    with pytest.raises(UrlRefusedError) as refused:
        parse_url(url)
    assert refused.value.code == "malformed"


@pytest.mark.parametrize(
    ("authority", "sent"),
    [
        ("H.Example:80", "h.example"),
        ("h.example:", "h.example"),
        ("h.example:0080", "h.example"),
        ("h.example:8080", "h.example:8080"),
        ("bücher.example:8080", "xn--bcher-kva.example:8080"),
        ("0x7f.1", "127.0.0.1"),
        ("１２７.0.0.1:81", "127.0.0.1:81"),
        ("[0:0::1]:81", "[::1]:81"),
    ],
)
def test_host_goes_out_as_it_was_checked(authority: str, sent: str) -> None:
    assert parse_url(f"http://{authority}/%7E").sent == f"http://{sent}/%7E"


BASE = "http://h.example:81/a/b%2Fc?d=e"


@pytest.mark.parametrize(
    ("reference", "sent"),
    [
        ("https://other.example/x%28?y=%7E", "https://other.example/x%28?y=%7E"),
        ("//other.example/x", "http://other.example/x"),
        ("/x%2Fy?", "http://h.example:81/x%2Fy?"),
        ("x y", "http://h.example:81/a/x%20y"),
        ("../x", "http://h.example:81/x"),
        ("./", "http://h.example:81/a/"),
        ("?f=%2B", "http://h.example:81/a/b%2Fc?f=%2B"),
        ("#f", "http://h.example:81/a/b%2Fc?d=e"),
        ("", "http://h.example:81/a/b%2Fc?d=e"),
        (" /x ", "http://h.example:81/x"),
        ("/é", "http://h.example:81/%C3%A9"),
        ("/\udce9?\udce9", "http://h.example:81/%E9?%E9"),
        ("\\\\other.example\\x", "http://other.example/x"),
        ("x?\\", "http://h.example:81/a/x?\\"),
    ],
)
def test_reference_of_a_redirect_is_resolved_as_browsers_do(reference: str, sent: str) -> None:
    assert parse_url(resolve_reference(BASE, reference)).sent == sent
