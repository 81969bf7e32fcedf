"""What requests state of their bodies, with the check values of the algorithms' catalogues."""

import base64
import hashlib

import pytest
from multidict import CIMultiDict, CIMultiDictProxy

from libs.object_store.digest import BodyDigests, DigestError, stated_digests

BODY = b"123456789"
CRC32C = 0xE3069283
DIGESTS = {
    "Content-MD5": hashlib.md5(BODY).digest(),
    "x-amz-checksum-crc32": bytes.fromhex("cbf43926"),
    "x-amz-checksum-crc32c": CRC32C.to_bytes(4, "big"),
    "x-amz-checksum-crc64nvme": bytes.fromhex("ae8b14860a799888"),
    "x-amz-checksum-sha1": hashlib.sha1(BODY).digest(),
    "x-amz-checksum-sha256": hashlib.sha256(BODY).digest(),
}


def stated(*pairs: tuple[str, str]) -> BodyDigests | None:
    return stated_digests(CIMultiDictProxy(CIMultiDict(pairs)))


def text(digest: bytes) -> str:
    return base64.b64encode(digest).decode()


def refusal(*pairs: tuple[str, str]) -> tuple[str, str]:
    with pytest.raises(DigestError) as refused:
        stated(*pairs)
    return refused.value.code, str(refused.value)


@pytest.mark.parametrize("header", DIGESTS)
def test_the_body_that_has_the_stated_digest_passes_and_another_does_not(header: str) -> None:
    for body, crc32c, passes in ((BODY, CRC32C, True), (b"123456780", CRC32C ^ 1, False)):
        digests = stated((header.upper(), text(DIGESTS[header])))
        assert digests is not None
        digests.update(memoryview(body)[:4])
        digests.update(memoryview(bytearray(body))[4:])
        if passes:
            digests.check(crc32c)
        else:
            with pytest.raises(DigestError, match=header.lower()) as refused:
                digests.check(crc32c)
            assert (refused.value.status, refused.value.code) == (400, "BadDigest")


def test_an_md5_beside_a_checksum_counts_too() -> None:
    digests = stated(("Content-MD5", text(bytes(16))), ("x-amz-checksum-crc32c", text(DIGESTS["x-amz-checksum-crc32c"])))
    assert digests is not None
    with pytest.raises(DigestError, match="content-md5"):
        digests.check(CRC32C)


def test_nothing_stated_is_nothing_to_compute() -> None:
    assert stated(("Content-Type", "text/plain"), ("Content-Length", "9")) is None


@pytest.mark.parametrize("header", DIGESTS)
@pytest.mark.parametrize(
    "value", ["", "AAAA", "no base64!", text(bytes(33)), "ü", "=" * 8, text(bytes(16)) + ", " + text(bytes(16))]
)
def test_what_is_no_digest_is_refused(header: str, value: str) -> None:
    code, message = refusal((header, value))
    assert code == "InvalidDigest"
    assert header.lower() in message


@pytest.mark.parametrize("header", DIGESTS)
def test_a_digest_stated_twice_is_refused(header: str) -> None:
    assert refusal((header, text(DIGESTS[header])), (header, text(DIGESTS[header])))[0] == "InvalidDigest"


def test_two_checksums_contradict_each_other() -> None:
    names = ("x-amz-checksum-crc32", "x-amz-checksum-sha1")
    code, message = refusal(*((name, text(DIGESTS[name])) for name in names))
    assert code == "InvalidRequest"
    assert all(name in message for name in names)


def test_the_algorithm_that_is_named_must_be_there() -> None:
    sha1 = ("x-amz-checksum-sha1", text(DIGESTS["x-amz-checksum-sha1"]))
    assert stated(sha1, ("x-amz-sdk-checksum-algorithm", "SHA1")) is not None
    for pairs in ([sha1], []):
        assert refusal(*pairs, ("x-amz-sdk-checksum-algorithm", "CRC32C"))[0] == "InvalidRequest"
