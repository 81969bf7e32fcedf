"""A combined CRC-32C against one over all the bytes."""

import google_crc32c
from hypothesis import given
from hypothesis import strategies as st

from libs.object_store.crc32c import combined


@given(st.binary(), st.binary())
def test_the_crc_of_two_pieces_is_that_of_the_whole(first: bytes, second: bytes) -> None:
    together = combined(google_crc32c.value(first), google_crc32c.value(second), len(second))
    assert together == google_crc32c.value(first + second)


def test_a_long_second_piece_counts_in_full() -> None:
    first, second = b"first", bytes(range(256)) * 20_480
    together = combined(google_crc32c.value(first), google_crc32c.value(second), len(second))
    assert together == google_crc32c.value(first + second)
