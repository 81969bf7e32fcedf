"""Which object an address names."""

from pathlib import PurePosixPath

import pytest

from services.gateway.files.published import _suffix


@pytest.mark.parametrize(
    "path", ["files/1/original.png", "files/1.x/original", "a/b.tar.gz", "a/.hidden", "a/b.", "a/b..", "..", "b", "", "."]
)
def test_a_suffix_is_what_pathlib_says(path: str) -> None:
    assert _suffix(path) == PurePosixPath(path).suffix
