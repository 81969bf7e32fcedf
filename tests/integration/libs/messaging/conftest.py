"""A broker that tests may kill and reconfigure."""

from collections.abc import Iterator

import pytest

from tests.servers.rabbitmq import GivenServer, RabbitMqServer, start_own


@pytest.fixture
def own_rabbitmq(rabbitmq: RabbitMqServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitMqServer]:
    """The run's own server; a further one where the run uses somebody else's."""
    if isinstance(rabbitmq, GivenServer):
        yield from start_own(tmp_path_factory.mktemp("own"))
    else:
        yield rabbitmq
