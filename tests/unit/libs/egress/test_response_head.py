import pytest

from libs.egress.response_head import ResponseHeadError, tidy_head

TIDY = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX: y\r\n\r\n"


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX: y\r\nContent-Length: 5\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: y\r\ncontent-length:5\r\nCONTENT-LENGTH: 5 \r\nContent-Length:\t5\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\nX: y\r\n\r\n",
    ],
)
def test_length_that_is_repeated_is_one_length(head: bytes) -> None:
    assert tidy_head(head) == TIDY


@pytest.mark.parametrize("head", [TIDY, b"HTTP/1.1 200 OK\r\nX-Content-Length: 5\r\nContent-Length: 6\r\n\r\n", b"SSH-2.0\n\n"])
def test_other_heads_stay_as_they_are(head: bytes) -> None:
    assert tidy_head(head) == head


@pytest.mark.parametrize("lengths", [b"5\r\nContent-Length: 6", b"5, 6", b"5\r\nContent-Length: 05", b"5\r\nContent-Length: "])
def test_two_different_lengths_are_an_error(lengths: bytes) -> None:
    with pytest.raises(ResponseHeadError, match="different Content-Length"):
        tidy_head(b"HTTP/1.1 200 OK\r\nContent-Length: " + lengths + b"\r\n\r\n")
