"""Which accounts have a connector."""

import pytest

from services.delivery.publishing.connectors.registry import Registry
from services.delivery.publishing.domain.error import PublishError


def test_a_kind_that_nobody_publishes_to_is_refused() -> None:
    with pytest.raises(PublishError) as caught:
        Registry({}).connector("youtube", {})
    assert (caught.value.code, caught.value.may_pass) == ("unsupported_account_kind", False)
