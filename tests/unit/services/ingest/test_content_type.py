"""What a source declares of its content."""

import pytest

from services.ingest.domain.content_type import declared_type


@pytest.mark.parametrize(
    ("header", "declared"),
    [
        ("text/html; charset=utf-8", "text/html; charset=utf-8"),
        (" image/png ", "image/png"),
        (None, None),
        ("", None),
        ("png", None),
        ("image/png\r\nx: y", None),
        ("image/" + "x" * 300, None),
    ],
)
def test_a_declaration_that_is_not_well_formed_is_none(header: str | None, declared: str | None) -> None:
    assert declared_type(header) == declared
