"""Servers that several of the suites run against."""

from collections.abc import Iterator

import pytest

from tests.servers import s3


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with s3.running(tmp_path_factory.mktemp("s3")) as url:
        yield url
