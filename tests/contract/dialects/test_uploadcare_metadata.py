"""`metadata[<key>]` of the Uploadcare API (U-11, U-40), on both stores."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import pytest_asyncio

from tests.contract.dialects.conftest import Gateway
from tests.contract.dialects.uploadcare import Request, Uploadcare, uploadcare_of

MakeRequest = Callable[[Uploadcare, list[tuple[str, str]]], Request]

ROUTES: dict[str, MakeRequest] = {
    "base": lambda api, fields: api.direct(*fields, files_first=True),
    "start": lambda api, fields: Request("/multipart/start/", fields=[*api.start().fields, *fields]),
    "from_url": lambda api, fields: Request("/from_url/", query=[api.key(), ("source_url", "http://93.184.216.34/"), *fields]),
}


@pytest_asyncio.fixture
async def api(gateway: Gateway) -> Uploadcare:
    return await uploadcare_of(gateway)


@pytest.fixture(params=list(ROUTES))
def make(request: pytest.FixtureRequest) -> MakeRequest:
    return ROUTES[request.param]


async def test_metadata_is_kept_word_for_word(api: Uploadcare) -> None:
    # U-11
    given = {"pet_name": "Rex", "a-b.c:D": "ü\n\t", "k" * 64: "v" * 512, "z": " "}
    file_id = await api.upload(*((f"metadata[{key}]", value) for key, value in given.items()))

    assert (await api.ok(api.info(file_id)))["metadata"] == given


async def test_fifty_keys_are_fine_and_no_more(api: Uploadcare, make: MakeRequest) -> None:
    # U-E10, U-40
    fields = [(f"metadata[k{n}]", "v") for n in range(51)]
    await api.ok(make(api, fields[:50]))
    await api.refused("U-E10", make(api, fields), 50)


async def test_a_key_stands_once(api: Uploadcare, make: MakeRequest) -> None:
    # U-E06
    await api.refused("U-E06", make(api, [("metadata[pet]", "cat"), ("metadata[pet]", "dog")]), "pet")


async def test_a_key_has_the_documented_form(api: Uploadcare, make: MakeRequest) -> None:
    # U-E07, U-E08, U-E09
    await api.refused("U-E07", make(api, [("metadata[]", "v")]))
    for key in ("a b", "ключ", "a[b]", "a/b", "a+b", "a]b"):
        await api.refused("U-E08", make(api, [(f"metadata[{key}]", "v")]), key)
    await api.refused("U-E09", make(api, [(f"metadata[{'k' * 65}]", "v")]), "k" * 65, 64)


async def test_a_value_has_the_documented_form(api: Uploadcare, make: MakeRequest) -> None:
    # U-E11, U-E12, U-E13
    await api.refused("U-E11", make(api, [("metadata[pet]", "")]), "pet")
    for value in ("a\x01b", "\x7f", "\x1b[0m"):
        await api.refused("U-E12", make(api, [("metadata[pet]", value)]), "pet")
    await api.refused("U-E13", make(api, [("metadata[pet]", "v" * 513)]), "pet", 512)


async def test_nul_is_refused_wherever_it_stands(api: Uploadcare, make: MakeRequest) -> None:
    # U-E16, U-40
    for field in (("metadata[pet]", "c\0t"), ("unknown", "\0")):
        await api.refused("U-E16", make(api, [field]))
    for field in (("metadata[p\0t]", "cat"), ("\0", "x")):
        request = make(api, [])
        await api.refused("U-E16", replace(request, query=[*request.query, field]))
    await api.refused("U-E16", Request("/info/", "GET", query=[api.key(), ("file_id", "\0")]))
    await api.refused("U-E16", Request("/from_url/status/", "GET", query=[("token", "\0")]))
