"""Our signer against botocore's, byte for byte, and the verifier against requests that were tampered with."""

import hashlib
from datetime import UTC, datetime, timedelta
from unittest.mock import patch

import pytest
from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from libs.object_store.presign import (
    ExpiredError,
    MalformedQueryError,
    PresignedRequest,
    Presigner,
    PresignError,
    SignatureMismatchError,
    UnsignedHeaderError,
)

NOW = datetime(2026, 11, 21, 12, 30, 5, tzinfo=UTC)
FIFTEEN_MINUTES = timedelta(minutes=15)


def botocore_url(endpoint: str, method: str, key: str, headers: dict[str, str], query: dict[str, str] | None = None) -> str:
    from urllib.parse import quote, urlencode

    more = f"?{urlencode(query, quote_via=quote, safe='-_.~')}" if query else ""
    request = AWSRequest(method=method, url=f"{endpoint}/{quote(key, safe='/-_.~')}{more}", headers=headers)
    signer = S3SigV4QueryAuth(Credentials("AKIDEXAMPLE", "secret/with+odd"), "s3", "eu-central-1", expires=900)
    with patch("botocore.auth.get_current_datetime", return_value=NOW.replace(tzinfo=None)):
        signer.add_auth(request)
    return str(request.url)


def our_url(endpoint: str, method: str, key: str, headers: dict[str, str], query: dict[str, str] | None = None) -> str:
    signer = Presigner(endpoint, "AKIDEXAMPLE", "secret/with+odd", "eu-central-1")
    return signer.url(method, key, expires_in=FIFTEEN_MINUTES, headers=headers, query=query, now=NOW)


@pytest.mark.parametrize("endpoint", ["https://s3.example.com/bucket", "http://127.0.0.1:9000/b", "https://b.example.com"])
@pytest.mark.parametrize("method", ["PUT", "GET"])
@pytest.mark.parametrize("key", ["staging/1/abc", "a b/ü+&=?#%", "tilde~(x)*'!/日本.mp4", "a//b", "files/%2e"])
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Content-Type": "image/png"},
        {"content-type": 'text/plain; charset="utf-8"', "content-length": "0"},
        {"x-amz-meta-name": "  two   spaces ", "x-amz-tagging": "a=b&c=d", "Content-Length": "5368709120"},
    ],
)
def test_a_url_is_the_one_that_botocore_makes(endpoint: str, method: str, key: str, headers: dict[str, str]) -> None:
    assert our_url(endpoint, method, key, headers) == botocore_url(endpoint, method, key, headers)


@given(
    key=st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=30).filter(lambda k: k[0] != "/"),
    value=st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=30),
    length=st.integers(0, 2**40),
)
def test_any_key_and_header_value_is_signed_as_botocore_does(key: str, value: str, length: int) -> None:
    headers = {"x-amz-meta-a": value, "content-type": "video/mp4", "content-length": str(length)}
    endpoint = "https://s3.example.com/bucket"
    assert our_url(endpoint, "PUT", key, headers) == botocore_url(endpoint, "PUT", key, headers)


@pytest.mark.parametrize(
    "query",
    [
        {"partNumber": "1", "uploadId": "abc"},
        {"uploadId": "2~aB_c-d.e==/+ &=ü", "partNumber": "10000"},
        {"response-content-type": "a/b", "A": "1", "a": "2", "a-b": "3", "X-Amz-Algorithmic": "", "x": "=&"},
    ],
)
def test_a_url_with_a_query_is_the_one_that_botocore_makes(query: dict[str, str]) -> None:
    endpoint = "https://s3.example.com/bucket"
    assert our_url(endpoint, "PUT", "staging/1/a", {}, query) == botocore_url(endpoint, "PUT", "staging/1/a", {}, query)


@pytest.mark.parametrize("endpoint", ["https://s3.example.com/bucket", "http://127.0.0.1:9000/b"])
@pytest.mark.parametrize("key", ["", "staging/1/abc", "a b/ü+&=?#%"])
@pytest.mark.parametrize(
    "query", [{}, {"uploads": ""}, {"uploadId": "2~a=/+ ü", "partNumber": "1"}, {"list-type": "2", "prefix": "a/"}]
)
@pytest.mark.parametrize(
    "headers", [{}, {"x-amz-copy-source": "/b/a%20b", "Content-Type": "a/b; c=d", "X-Amz-Meta-Id": " 7  8 "}]
)
@pytest.mark.parametrize("payload", [b"", b"body", None])
def test_a_request_of_our_own_is_authorized_as_botocore_does_it(
    endpoint: str, key: str, query: dict[str, str], headers: dict[str, str], payload: bytes | None
) -> None:
    from urllib.parse import quote, urlencode

    digest = hashlib.sha256(payload).hexdigest() if payload is not None else "UNSIGNED-PAYLOAD"
    more = f"?{urlencode(query, quote_via=quote, safe='-_.~')}" if query else ""
    theirs = AWSRequest(method="PUT", url=f"{endpoint}/{quote(key, safe='/-_.~')}{more}", headers=headers, data=payload)
    theirs.context["client_config"] = Config(s3={"payload_signing_enabled": payload is not None})
    theirs.headers["X-Amz-Content-SHA256"] = digest
    with patch("botocore.auth.get_current_datetime", return_value=NOW.replace(tzinfo=None)):
        S3SigV4Auth(Credentials("AKIDEXAMPLE", "secret/with+odd"), "s3", "eu-central-1").add_auth(theirs)

    signer = Presigner(endpoint, "AKIDEXAMPLE", "secret/with+odd", "eu-central-1")
    url, ours = signer.authorized("PUT", key, query=query, headers=headers, payload_sha256=digest, now=NOW)

    assert url == theirs.url
    assert ours["authorization"] == theirs.headers["Authorization"]
    assert ours["x-amz-content-sha256"] == digest


SIGNER = Presigner("https://uploads.example.com/storage", "longshore", "secret")
BOUND = {"Content-Type": "video/mp4", "Content-Length": "10", "x-amz-meta-id": "7"}
SENT = [("Host", "uploads.example.com"), ("content-type", "video/mp4"), ("Content-Length", "10"), ("X-Amz-Meta-Id", "7")]
QUERY = SIGNER.url("PUT", "staging/1/a", expires_in=FIFTEEN_MINUTES, headers=BOUND, now=NOW).partition("?")[2]


def verify(
    *,
    method: str = "PUT",
    key: str = "staging/1/a",
    query: str = QUERY,
    headers: list[tuple[str, str]] = SENT,
    now: datetime = NOW,
) -> None:
    SIGNER.verify(PresignedRequest(method, key, query, headers), now)


def test_the_request_that_was_signed_for_passes() -> None:
    verify()
    verify(headers=[*SENT, ("User-Agent", "curl/8"), ("Accept", "*/*")])


PART = {"partNumber": "7", "uploadId": "2~a/b=="}
PLAIN_QUERY = SIGNER.url("PUT", "staging/1/a", expires_in=FIFTEEN_MINUTES, now=NOW).partition("?")[2]
PART_QUERY = SIGNER.url("PUT", "staging/1/a", expires_in=FIFTEEN_MINUTES, query=PART, now=NOW).partition("?")[2]


@pytest.mark.parametrize("multipart_id", ["0af7", "a+b/c=ü"])
def test_urls_of_parts_are_those_that_are_made_one_by_one(multipart_id: str) -> None:
    presigner = Presigner("https://[::1]:9000/bucket", "access", "secret")
    one_by_one = [
        presigner.url(
            "PUT", "staging/ü 1", expires_in=timedelta(hours=1), query={"partNumber": str(number), "uploadId": multipart_id},
            now=NOW,
        )
        for number in (1, 2, 10_000)
    ]  # fmt: skip
    together = presigner.part_urls("staging/ü 1", multipart_id, [1, 2, 10_000], expires_in=timedelta(hours=1), now=NOW)
    assert together == one_by_one


def test_the_part_that_was_signed_for_passes_with_any_content_type() -> None:  # U-21
    for content_type in ("application/octet-stream", "video/mp4"):
        request = PresignedRequest("PUT", "staging/1/a", PART_QUERY, [("Host", "x"), ("Content-Type", content_type)])
        assert SIGNER.verify(request, NOW) == PART


@pytest.mark.parametrize(
    "query",
    [
        PART_QUERY.replace("partNumber=7", "partNumber=8"),
        PART_QUERY.replace("uploadId=2", "uploadId=3"),
        PART_QUERY[PART_QUERY.index("X-Amz-Algorithm") :],
        f"partNumber=7&uploadId=2&{PLAIN_QUERY}",
    ],
)
def test_another_part_than_the_signed_one_is_refused(query: str) -> None:
    with pytest.raises(SignatureMismatchError):
        SIGNER.verify(PresignedRequest("PUT", "staging/1/a", query, SENT[:1]), NOW)


@pytest.mark.parametrize(
    "query",
    [
        PART_QUERY.replace("partNumber=7&", ""),
        PART_QUERY.replace("partNumber=7", "partNumber=7&partNumber=7"),
        PART_QUERY.replace("partNumber", "partnumber"),
        PART_QUERY.replace("uploadId", "versionId"),
        PART_QUERY + "&acl",
    ],
)
def test_a_part_whose_query_has_other_parameters_is_refused(query: str) -> None:
    with pytest.raises(MalformedQueryError):
        verify(query=query)


def test_a_url_is_good_until_its_last_second() -> None:  # E-11, J-13
    verify(now=NOW + FIFTEEN_MINUTES - timedelta(milliseconds=1))
    with pytest.raises(ExpiredError):
        verify(now=NOW + FIFTEEN_MINUTES)
    with pytest.raises(ExpiredError):
        verify(now=NOW + timedelta(minutes=15, seconds=1))


def test_a_url_from_the_future_is_refused() -> None:
    with pytest.raises(ExpiredError):
        verify(now=NOW - timedelta(minutes=16))


@pytest.mark.parametrize("missing", ["content-type", "content-length", "x-amz-meta-id"])
def test_a_missing_bound_header_is_refused(missing: str) -> None:  # E-15
    with pytest.raises(SignatureMismatchError, match=f"lacks headers that its URL was signed with: {missing}\\."):
        verify(headers=[pair for pair in SENT if pair[0].lower() != missing])


def test_all_missing_bound_headers_are_named() -> None:  # E-15
    with pytest.raises(SignatureMismatchError, match="content-length, content-type, x-amz-meta-id"):
        verify(headers=SENT[:1])


@pytest.mark.parametrize("name", ["content-type", "content-length", "x-amz-meta-id"])
@pytest.mark.parametrize("other", ["", "other", "10, 10"])
def test_another_value_of_a_bound_header_is_refused(name: str, other: str) -> None:  # E-15
    with pytest.raises(SignatureMismatchError, match=name):
        verify(headers=[(n, other if n.lower() == name else v) for n, v in SENT])


def test_a_bound_header_sent_twice_is_refused() -> None:
    with pytest.raises(SignatureMismatchError):
        verify(headers=[*SENT, ("X-Amz-Meta-Id", "7")])


@pytest.mark.parametrize("name", ["x-amz-copy-source", "X-Amz-Acl", "x-amz-meta-other", "x-amz-checksum-type"])
def test_an_unsigned_amazon_header_is_refused(name: str) -> None:
    with pytest.raises(UnsignedHeaderError, match=name.lower()):
        verify(headers=[*SENT, (name, "x")])


@pytest.mark.parametrize(
    "name", ["X-Amz-Checksum-Sha256", "x-amz-checksum-crc32c", "x-amz-sdk-checksum-algorithm", "Content-MD5"]
)
def test_an_unsigned_header_that_only_states_a_checksum_passes(name: str) -> None:
    verify(headers=[*SENT, (name, "x")])


@pytest.mark.parametrize(
    "changed",
    [
        {"method": "GET"},
        {"key": "staging/1/b"},
        {"query": QUERY[:-1] + ("0" if QUERY[-1] != "0" else "1")},
        {"query": QUERY.replace("Expires=900", "Expires=9000")},
        {"query": QUERY.replace("longshore", "somebody")},
        {"query": QUERY.replace("us-east-1", "us-east-2")},
        {"query": QUERY.replace("%3Bx-amz-meta-id", ""), "headers": SENT[:3]},
        {"query": QUERY.replace("SignedHeaders=", "SignedHeaders=a%3B")},
        {"query": QUERY.replace("Signature=", "Signature=%C3%BC")},
    ],
)
def test_a_changed_request_is_refused(changed: dict[str, str]) -> None:
    with pytest.raises(SignatureMismatchError):
        verify(**changed)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "query",
    [
        "",
        "a=b",
        QUERY + "&X-Amz-Date=20261121T123005Z",
        QUERY + "&x=y",
        QUERY.replace("Expires=900", "Expires=604801"),
        QUERY.replace("Expires=900", "Expires=-1"),
        QUERY.replace("Expires=900", "Expires=٣"),
        QUERY.replace("Date=20261121", "Date=20269921"),
        QUERY.replace("SHA256", "SHA1"),
        QUERY.replace("SignedHeaders=", "SignedHeaders=%00%3B"),
        QUERY.replace("SignedHeaders=content-length%3B", "SignedHeaders=Content-Length%3B"),
        QUERY.replace("SignedHeaders=", "SignedHeaders=%3B"),
    ],
)
def test_a_malformed_query_is_refused(query: str) -> None:
    with pytest.raises(MalformedQueryError):
        verify(query=query)


@given(st.text(max_size=80))
def test_no_query_makes_the_verifier_fail_otherwise(query: str) -> None:
    with pytest.raises(PresignError):
        verify(query=query)


def test_a_header_that_is_not_utf_8_is_compared_and_refused() -> None:
    with pytest.raises(SignatureMismatchError):
        verify(headers=[*SENT[:3], ("x-amz-meta-id", "\udcff")])


def test_a_host_with_an_odd_port_or_an_ipv6_address_verifies_itself() -> None:
    for endpoint in ("http://127.0.0.1:8080/storage", "http://[::1]:8080/storage"):
        signer = Presigner(endpoint, "longshore", "secret")
        url = signer.url("PUT", "k", expires_in=FIFTEEN_MINUTES, now=NOW)
        assert url.startswith(f"{endpoint}/k?")
        signer.verify(PresignedRequest("PUT", "k", url.partition("?")[2], [("host", "proxy")]), NOW)
