"""What unit tests share."""

import sys
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def loaders_of_libvips() -> Iterator[None]:
    """Opening an image allows its own loader alone, for the rest of the process: each test finds all of them again."""
    yield
    if "pyvips" in sys.modules:
        sys.modules["pyvips"].operation_block_set("VipsForeignLoad", False)
