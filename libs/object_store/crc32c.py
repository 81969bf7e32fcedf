"""The CRC-32C of two pieces together, from theirs: nothing has to be read again.

A CRC is a polynomial over GF(2) modulo a fixed one; appending n bytes multiplies it by x^8n. Bits are reflected: the highest
one stands for 1. Source: zlib's `crc32_combine` (crc32.c), with the polynomial of RFC 3720.
"""

from functools import lru_cache

_POLYNOMIAL = 0x82F63B78
_ONE = 1 << 31
_X8 = 1 << 23


def combined(first: int, second: int, second_bytes: int) -> int:
    """Of what has `first`, followed by `second_bytes` bytes that have `second`."""
    return _product(first, _shift(second_bytes)) ^ second


@lru_cache(maxsize=16)
def _shift(count: int) -> int:
    """x^8·count: parts are nearly all of one size."""
    result, power = _ONE, _X8
    while count:
        if count & 1:
            result = _product(result, power)
        power = _product(power, power)
        count >>= 1
    return result


def _product(a: int, b: int) -> int:
    result = 0
    while a:
        if a & _ONE:
            result ^= b
        a = (a << 1) & 0xFFFFFFFF
        b = (b >> 1) ^ (_POLYNOMIAL if b & 1 else 0)
    return result
