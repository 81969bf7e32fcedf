"""What a destination calls a file that it has taken: whatever it says, the file is published."""

import pytest
from multidict import CIMultiDict, CIMultiDictProxy

from libs.egress.client import Answer
from services.delivery.publishing.connectors.http import _id_in

URL = "https://example.com/in/"


@pytest.mark.parametrize(
    ("body", "location", "expected"),
    [
        (b'{"id": "a"}', "/b", "a"),
        (b'{"id": 7}', "", "7"),
        (b'{"id": true}', "/b", "https://example.com/b"),
        (b"[]", "b", "https://example.com/in/b"),
        (b'{"id": "a\\u0000b"}', "", None),
        (b"", "/caf\udce9.mp4", None),
        (b"", "http://[::1", None),
        (b"", "", None),
    ],
)
def test_an_id_is_one_that_can_be_kept_or_none(body: bytes, location: str, expected: str | None) -> None:
    headers = CIMultiDictProxy(CIMultiDict({"Location": location} if location else {}))
    assert _id_in(Answer(200, headers, body), URL) == expected
