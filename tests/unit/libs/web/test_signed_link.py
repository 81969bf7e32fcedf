"""Links that anyone may follow until they end."""

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, urlsplit
from uuid import UUID, uuid4

import pytest

from libs.runtime.secret import SecretBox, new_key
from libs.web.signed_link import PURPOSE, LinkRefusedError, LinkSigner

NOW = datetime(2026, 11, 25, 12, 0, 0, tzinfo=UTC)
FILE = UUID("5f0c7dbb-6e8c-4b71-8c55-0d1d64f4a001")
OLD, NEW = new_key(), new_key()


def signer(keys: str) -> LinkSigner:
    return LinkSigner("https://uploads.test/", SecretBox(keys).derived(PURPOSE))


def query_of(url: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(url).query))


def test_a_link_is_good_until_it_ends() -> None:
    links = signer(NEW)
    url = links.url(FILE, NOW + timedelta(hours=1))
    assert url.startswith(f"https://uploads.test/downloads/{FILE}?expires=")
    assert links.verify(FILE, query_of(url), NOW) == NOW + timedelta(hours=1)
    with pytest.raises(LinkRefusedError):
        links.verify(FILE, query_of(url), NOW + timedelta(hours=1))


def test_a_link_is_good_for_its_file_and_its_end_alone() -> None:
    links = signer(NEW)
    query = query_of(links.url(FILE, NOW + timedelta(hours=1)))
    later = str(int(query["expires"]) + 1)
    for file_id, changed in (
        (uuid4(), query),
        (FILE, query | {"expires": later}),
        (FILE, query | {"signature": query["signature"][:-1]}),
        (FILE, query | {"signature": ""}),
        (FILE, query | {"expires": f"{query['expires']} "}),
        (FILE, query | {"expires": "٣"}),
        (FILE, query | {"signature": "ü"}),
        (FILE, {"expires": query["expires"]}),
        (FILE, {}),
    ):
        with pytest.raises(LinkRefusedError):
            links.verify(file_id, changed, NOW)


def test_links_survive_a_rotation_of_the_key() -> None:
    url = signer(OLD).url(FILE, NOW + timedelta(hours=1))
    signer(f"{NEW},{OLD}").verify(FILE, query_of(url), NOW)
    with pytest.raises(LinkRefusedError):
        signer(NEW).verify(FILE, query_of(url), NOW)
    assert signer(f"{NEW},{OLD}").url(FILE, NOW) == signer(NEW).url(FILE, NOW)
