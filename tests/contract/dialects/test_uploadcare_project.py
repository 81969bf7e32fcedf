"""Who may upload: keys, states, origins, rate limits, signatures and access tokens of the Uploadcare API, on both stores."""

import asyncio
from base64 import urlsafe_b64encode
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any
from uuid import uuid4

import jwt
import pytest
import pytest_asyncio

from contracts.events import UploadRegistered
from services.gateway.dialects.uploadcare.signature import sign
from services.gateway.domain.project import ProjectStatus, RateLimit
from tests.contract.dialects.conftest import Gateway
from tests.contract.dialects.uploadcare import File, Request, Uploadcare, in_seconds, uploadcare_of

SOURCE = "http://93.184.216.34/a.png"


@pytest_asyncio.fixture
async def api(gateway: Gateway) -> Uploadcare:
    return await uploadcare_of(gateway)


def every_route(api: Uploadcare, key: list[tuple[str, str]]) -> list[tuple[str, Request]]:
    """The documented name of the key in each route, and a request with these fields."""
    nobody = str(uuid4())
    return [
        ("UPLOADCARE_PUB_KEY", Request("/base/", fields=key, files=[File()])),
        ("UPLOADCARE_PUB_KEY", Request("/multipart/start/", fields=[*key, *api.start().fields[1:]])),
        ("UPLOADCARE_PUB_KEY", Request("/multipart/complete/", fields=[*key, ("uuid", nobody)])),
        ("pub_key", Request("/from_url/", query=[*key, ("source_url", SOURCE)])),
        ("pub_key", Request("/info/", "GET", query=[*key, ("file_id", nobody)])),
        ("pub_key", Request("/group/", fields=[*key, ("files[0]", nobody)])),
        ("pub_key", Request("/group/info/", "GET", query=[*key, ("group_id", f"{nobody}~1")])),
    ]


async def test_a_key_is_required_by_its_documented_name(api: Uploadcare) -> None:
    # U-E20, U-08, U-24, U-32
    for name, request in every_route(api, []):
        await api.refused("U-E20", request, name)
    for name, request in every_route(api, [("pub_key", ""), ("UPLOADCARE_PUB_KEY", "")]):
        await api.refused("U-E20", request, name)


async def test_a_key_must_be_known(api: Uploadcare) -> None:
    # U-E18
    for key in ("nobody", "x" * 300, "clé", "' OR 1=1 --"):
        for name, request in every_route(api, [("pub_key", key)]):
            await api.refused("U-E18", request, name)


async def test_each_route_takes_the_key_by_either_name(api: Uploadcare) -> None:
    # 5.2.7
    for name in ("pub_key", "UPLOADCARE_PUB_KEY"):
        for _, request in every_route(api, [api.key(name)]):
            body = await (await api.send(request)).json()
            assert "key" not in str(body.get("error", "")).lower(), body


async def test_two_keys_that_differ_are_a_contradiction(api: Uploadcare) -> None:
    # U-E50
    other = await uploadcare_of(api.gateway)
    for _, request in every_route(api, [api.key("pub_key"), other.key("UPLOADCARE_PUB_KEY")]):
        await api.refused("U-E50", request)


@pytest.mark.parametrize(
    ("row", "status"),
    [
        ("U-E01", ProjectStatus.BLOCKED),  # U-E01, U-39
        ("U-E02", ProjectStatus.OVER_LIMITS),  # U-E02
        ("U-E03", ProjectStatus.UNPAID),  # U-E03
    ],
)
async def test_only_a_project_in_order_takes_files(api: Uploadcare, row: str, status: ProjectStatus) -> None:
    await api.change(status=status)
    for _, request in every_route(api, [api.key()]):
        await api.refused(row, request)


async def test_a_removed_project_is_named(api: Uploadcare) -> None:
    # U-E19, U-39
    await api.change(status=ProjectStatus.REMOVED)
    for _, request in every_route(api, [api.key()]):
        await api.refused("U-E19", request, api.project.public_key)
    assert await api.gateway.emitted(UploadRegistered) == []


async def test_pages_of_other_origins_may_not_upload(api: Uploadcare) -> None:
    # U-E49
    await api.change(allowed_origins=("https://shop.example.com",))
    for origin in ("https://elsewhere.example.com", "http://shop.example.com", "https://shop.example.com:8443", "null", "x"):
        await api.refused("U-E49", api.direct(headers={"Origin": origin}))
    for headers in ({}, {"Origin": "https://shop.example.com"}, {"Origin": "https://SHOP.example.com"}):
        await api.ok(api.direct(headers=headers))


async def test_a_project_has_only_so_many_requests(api: Uploadcare) -> None:
    # U-E23, U-41
    await api.change(rate_limit=RateLimit(2, 1000))
    await api.ok(api.direct())
    await api.ok(api.direct())

    await api.refused("U-E23", api.direct())
    for query in ((), (("jsonerrors", "1"),)):
        response = await api.send(api.direct(query=query))
        assert 1 <= int(response.headers["Retry-After"]) <= 500
    other = await uploadcare_of(api.gateway)
    await other.ok(other.direct())


VECTORS = [
    ("demosecretkey", "60", "7d2e71d1843788a02d0c7fe6f5d71edf657363a369112e78d4f37ace3f884b00"),
    ("demosecretkey", "1632470819", "50af003e37631a54ec45a10ff21a57e8d8b1b73432597592a877a8c5bfee4eec"),
    ("YOUR_SECRET_KEY", "1678361640", "93b69d086a487fbdfc36172b96a5d7f5afa7cb209e43e5f25890bc037e638584"),
]


@pytest.mark.parametrize(("secret", "expire", "signature"), VECTORS)
def test_signatures_are_those_of_the_vendors_clients(secret: str, expire: str, signature: str) -> None:
    # U-12
    assert sign(secret, expire) == signature


def signed_routes(api: Uploadcare, fields: list[tuple[str, str]]) -> list[Request]:
    """Those that take a signature."""
    return [
        api.direct(*fields),
        api.start(*fields),
        Request("/from_url/", query=[api.key(), ("source_url", SOURCE), *fields]),
        Request("/group/", fields=[api.key(), ("files[0]", str(uuid4())), *fields]),
    ]


async def test_a_signed_request_is_accepted(api: Uploadcare) -> None:
    # U-12, U-19, U-29, U-33
    await api.change(signed_uploads=True)
    fields = api.signed(in_seconds(100))
    for request in signed_routes(api, fields):
        body = await (await api.send(request)).json()
        assert body.get("error", {}).get("error_code") in (None, "GroupFilesNotFoundError"), body


async def test_an_unsigned_request_is_refused_where_signatures_are_required(api: Uploadcare) -> None:
    # U-E28
    await api.change(signed_uploads=True)
    for fields in ([], [("expire", in_seconds(100))], [("signature", ""), ("expire", in_seconds(100))]):
        for request in signed_routes(api, fields):
            await api.refused("U-E28", request)


async def test_a_signature_without_its_end_is_refused(api: Uploadcare) -> None:
    # U-E26
    await api.change(signed_uploads=True)
    for request in signed_routes(api, api.signed(in_seconds(100))[:1]):
        await api.refused("U-E26", request)


async def test_the_end_of_a_signature_is_in_unix_seconds(api: Uploadcare) -> None:
    # U-E25
    await api.change(signed_uploads=True)
    for expire in ("tomorrow", in_seconds(100) + "000", "-1", "1e9", "60.5", " 60", "٦٠"):
        for request in signed_routes(api, api.signed(expire)):
            await api.refused("U-E25", request)


async def test_an_expired_signature_is_refused(api: Uploadcare) -> None:
    # U-E24
    await api.change(signed_uploads=True)
    for expire in ("60", in_seconds(-1)):
        for request in signed_routes(api, api.signed(expire)):
            await api.refused("U-E24", request)


async def test_a_wrong_signature_is_refused(api: Uploadcare) -> None:
    # U-E27
    await api.change(signed_uploads=True)
    expire = in_seconds(100)
    for signature in ("0" * 64, "", sign("another", expire), sign(api.secret_key, "1"), "ünïcode"):
        row = "U-E27" if signature else "U-E28"
        for request in signed_routes(api, [("signature", signature), ("expire", expire)]):
            await api.refused(row, request)


async def test_where_none_is_required_no_signature_is_looked_at(api: Uploadcare) -> None:
    # U-12: recorded clients send `expire=60` and succeed
    await api.ok(api.direct(("signature", "wrong"), ("expire", "60")))
    await api.ok(api.direct(("signature", "wrong"), headers={"Authorization": "Bearer wrong"}))


# ---------------------------------------------------------------- access tokens (part 2.4)


def token(api: Uploadcare, key: bytes | None = None, algorithm: str = "HS256", **claims: Any) -> dict[str, str]:
    given = {"iat": int(datetime.now(UTC).timestamp()), **claims}
    given = {name: value for name, value in given.items() if value is not None}
    secret = sha256(api.secret_key.encode()).digest() if key is None else key
    return {"Authorization": f"Bearer {jwt.encode(given, secret, algorithm=algorithm)}"}


def restricted(**restrictions: Any) -> dict[str, Any]:
    return {"uc": {"restrictions": restrictions}}


async def refused_401(api: Uploadcare, code: str, request: Request) -> None:
    content = {"AccessTokenInvalidError": "Access token is invalid.", "AccessTokenExpiredError": "Access token is expired."}
    await api.refused_with(request, 401, code, content[code])


async def test_an_access_token_signs_an_upload(api: Uploadcare) -> None:
    await api.change(signed_uploads=True)
    now = int(datetime.now(UTC).timestamp())
    for claims in ({}, {"exp": now + 60}, restricted(), restricted(scope=["/base/"]), restricted(scope=["/from_url/", "/ba*"])):
        await api.ok(api.direct(headers=token(api, **claims)))
    await api.ok(api.start(headers=token(api, **restricted(scope=["/multipart/*"]))))


async def test_an_access_token_must_be_made_with_the_secrets_digest(api: Uploadcare) -> None:
    await api.change(signed_uploads=True)
    other = await uploadcare_of(api.gateway)
    unsigned = ".".join(urlsafe_b64encode(part).decode() for part in (b'{"alg":"none"}', b'{"iat":1}', b""))
    for headers in (
        token(api, key=api.secret_key.encode()),
        token(api, key=sha256(api.secret_key.encode()).hexdigest().encode()),
        token(other),
        token(api, algorithm="HS512", key=sha256(api.secret_key.encode()).digest().ljust(64, b"x")),
        {"Authorization": f"Bearer {unsigned}"},
        {"Authorization": "Bearer junk"},
        {"Authorization": "Bearer"},
    ):
        await refused_401(api, "AccessTokenInvalidError", api.direct(headers=headers))


async def test_an_access_token_makes_sense(api: Uploadcare) -> None:
    await api.change(signed_uploads=True)
    now = int(datetime.now(UTC).timestamp())
    wrong: tuple[dict[str, Any], ...] = (
        {"iat": None}, {"iat": "now"}, {"iat": True}, {"iat": now + 1000}, {"exp": now + 25 * 3600}, {"exp": "never"},
        {"iat": 1e300}, {"nbf": now + 1000}, {"uc": "all"}, {"uc": {"restrictions": []}}, restricted(scope="/base/"),
        restricted(scope=[1]), restricted(limits=[]), restricted(limits={"operations": 0}),
        restricted(limits={"operations": "2"}), restricted(limits={"operations": True}),
        restricted(scope=[]), restricted(scope=["/multipart/*"]), restricted(scope=["/bas"]),
        restricted(limits={"operations": 1e99}), {"iat": -(10**17)},
    )  # fmt: skip
    for claims in wrong:
        await refused_401(api, "AccessTokenInvalidError", api.direct(headers=token(api, **claims)))


async def test_an_access_token_lives_a_day_at_most(api: Uploadcare) -> None:
    await api.change(signed_uploads=True)
    now = int(datetime.now(UTC).timestamp())
    past: tuple[dict[str, Any], ...] = ({"iat": now - 86_400}, {"iat": now - 100, "exp": now - 1}, {"iat": 60})
    for claims in past:
        await refused_401(api, "AccessTokenExpiredError", api.direct(headers=token(api, **claims)))


async def test_an_access_token_uploads_only_so_many_files(api: Uploadcare) -> None:
    await api.change(signed_uploads=True)
    headers = token(api, **restricted(limits={"operations": 3}))
    await api.ok(api.direct(headers=headers))
    await refused_401(api, "AccessTokenInvalidError", api.direct(files=[File("a"), File("b"), File("c")], headers=headers))

    outcomes = await asyncio.gather(*(api.send(api.direct(headers=headers)) for _ in range(5)))
    assert sorted(response.status for response in outcomes) == [200, 200, 401, 401, 401]
    assert len(await api.gateway.emitted(UploadRegistered)) == 3
    await api.ok(api.direct(headers=token(api, jti="another", **restricted(limits={"operations": 1}))))


async def test_equal_tokens_of_two_projects_count_each_for_itself(api: Uploadcare) -> None:
    other = await uploadcare_of(api.gateway)
    claims = {"iat": int(datetime.now(UTC).timestamp()), **restricted(limits={"operations": 1})}
    for project in (api, other):
        await project.change(signed_uploads=True)
        await project.ok(project.direct(headers=token(project, **claims)))


async def test_where_there_is_a_signature_the_token_is_not_looked_at(api: Uploadcare) -> None:
    # 5.2.4
    await api.change(signed_uploads=True)
    await api.ok(api.direct(*api.signed(in_seconds(100)), headers={"Authorization": "Bearer junk"}))
    await api.refused("U-E27", api.direct(("signature", "0" * 64), ("expire", in_seconds(100)), headers=token(api)))
