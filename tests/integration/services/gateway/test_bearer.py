"""Bearer tokens of another issuer: RS256 and ES256 with a key set that is fetched."""

import base64
import hmac
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import jwt
import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from contracts.ids import TenantId
from libs.outbox.unit_of_work import Outbox
from services.gateway import json_web_keys
from services.gateway.bearer import Bearers, TokenRules
from services.gateway.domain.error import InsufficientRoleError, InsufficientScopeError, UnknownTokenError
from services.gateway.domain.role import Permission, Role, Scope
from services.gateway.json_web_keys import KeysUnavailableError
from services.gateway.store import TenantStore
from services.gateway.store.tenant import Tenant

RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC = ec.generate_private_key(ec.SECP256R1())
OTHER = rsa.generate_private_key(public_exponent=65537, key_size=2048)


@dataclass
class Issuer:
    """Publishes keys; `status` and `body` as told."""

    url: str = ""
    status: int = 200
    asked: int = 0
    keys: list[dict[str, Any]] = field(default_factory=list)
    body: bytes | None = None

    async def answer(self, _request: web.Request) -> web.Response:
        self.asked += 1
        if self.body is not None:
            return web.Response(status=self.status, body=self.body)
        return web.json_response({"keys": self.keys}, status=self.status)


@pytest_asyncio.fixture
async def issuer() -> AsyncIterator[Issuer]:
    made = Issuer(keys=[
        {**RSAAlgorithm.to_jwk(RSA.public_key(), as_dict=True), "kid": "r1", "alg": "RS256"},
        {**ECAlgorithm.to_jwk(EC.public_key(), as_dict=True), "kid": "e1", "alg": "ES256"},
    ])  # fmt: skip
    application = web.Application()
    application.router.add_get("/keys", made.answer)
    async with TestServer(application) as server:
        made.url = str(server.make_url("/keys"))
        yield made


@pytest_asyncio.fixture
async def tenant(outbox: Outbox) -> Tenant:
    unique = uuid4().hex[:16]
    made = Tenant(TenantId(uuid4()), "Test", f"org-{unique}", f"c{unique}", None, 1, "sealed")
    async with outbox.database.transaction() as connection:
        await TenantStore(connection).insert(made)
    return made


def bearers(outbox: Outbox, issuer: Issuer, *secrets: str) -> Bearers:
    return Bearers(outbox.database, TokenRules("https://id.example.com", "longshore", secrets, issuer.url), cache_seconds=0)


def token(tenant: Tenant, key: Any, algorithm: str, kid: str | None, **more: Any) -> dict[str, str]:
    claims = {
        "iss": "https://id.example.com", "aud": "longshore", "sub": "ann", "tenant": str(tenant.id), "role": "editor",
        "scope": "upload share", "exp": datetime.now(UTC) + timedelta(minutes=5), **more,
    }  # fmt: skip
    given = {name: value for name, value in claims.items() if value is not None}
    headers = {"kid": kid} if kid else {}
    return {"Authorization": f"Bearer {jwt.encode(given, key, algorithm=algorithm, headers=headers)}"}


def confused(headers: dict[str, str]) -> dict[str, str]:
    """Signed with the public key as if that were a shared secret."""
    public = RSA.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    signed = headers["Authorization"].removeprefix("Bearer ").rpartition(".")[0]
    signature = base64.urlsafe_b64encode(hmac.digest(public, signed.encode(), "sha256")).decode().rstrip("=")
    return {"Authorization": f"Bearer {signed}.{signature}"}


async def test_tokens_of_either_kind_of_key_are_taken(outbox: Outbox, issuer: Issuer, tenant: Tenant) -> None:
    judge = bearers(outbox, issuer)
    for key, algorithm, kid in ((RSA, "RS256", "r1"), (EC, "ES256", "e1"), (RSA, "RS256", None)):
        found = await judge.bearer(token(tenant, key, algorithm, kid), Permission.UPLOAD, Scope.UPLOAD)
        assert (found.subject, found.scopes) == ("ann", frozenset({"upload", "share"}))
        assert (found.principal.tenant_id, found.principal.role) == (tenant.id, Role.EDITOR)
    assert issuer.asked == 1
    with pytest.raises(InsufficientRoleError):
        await judge.bearer(token(tenant, RSA, "RS256", "r1"), Permission.ADMINISTER, Scope.UPLOAD)


async def test_tokens_signed_with_anything_else_are_refused(outbox: Outbox, issuer: Issuer, tenant: Tenant) -> None:
    judge = bearers(outbox, issuer)
    wrong = [
        token(tenant, OTHER, "RS256", "r1"), token(tenant, RSA, "RS256", "e1"), token(tenant, RSA, "RS256", "unknown"),
        token(tenant, RSA, "RS512", "r1"), confused(token(tenant, "s" * 32, "HS256", "r1")),
        token(tenant, "s" * 32, "HS256", None),
        token(tenant, RSA, "PS256", "r1"), token(tenant, RSA, "RS256", "r1", iss="somebody"),
    ]  # fmt: skip
    for headers in wrong:
        with pytest.raises(UnknownTokenError):
            await judge.bearer(headers, Permission.READ, Scope.UPLOAD)
    assert issuer.asked == 1  # unknown keys do not make us ask again and again


async def test_a_new_key_is_found_when_a_token_names_it(
    outbox: Outbox, issuer: Issuer, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge = bearers(outbox, issuer)
    await judge.bearer(token(tenant, RSA, "RS256", "r1"), Permission.READ, Scope.UPLOAD)
    issuer.keys.append({**RSAAlgorithm.to_jwk(OTHER.public_key(), as_dict=True), "kid": "r2", "alg": "RS256"})
    monkeypatch.setattr(json_web_keys, "PAUSE_SECONDS", 0.0)

    await judge.bearer(token(tenant, OTHER, "RS256", "r2"), Permission.READ, Scope.UPLOAD)
    with pytest.raises(UnknownTokenError):  # no longer the only one
        await judge.bearer(token(tenant, RSA, "RS256", None), Permission.READ, Scope.UPLOAD)


async def test_a_key_that_was_withdrawn_while_nobody_came_is_not_good(
    outbox: Outbox, issuer: Issuer, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_web_keys, "PAUSE_SECONDS", 0.0)
    judge = bearers(outbox, issuer)
    await judge.bearer(token(tenant, RSA, "RS256", "r1"), Permission.READ, Scope.UPLOAD)
    issuer.keys[:] = [key for key in issuer.keys if key["kid"] != "r1"]
    monkeypatch.setattr(json_web_keys, "STALE_SECONDS", 0.0)

    with pytest.raises(UnknownTokenError):
        await judge.bearer(token(tenant, RSA, "RS256", "r1"), Permission.READ, Scope.UPLOAD)


async def test_known_keys_outlive_an_issuer_that_is_away(
    outbox: Outbox, issuer: Issuer, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_web_keys, "PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(json_web_keys, "KEPT_SECONDS", 0.0)
    judge = bearers(outbox, issuer)
    await judge.bearer(token(tenant, RSA, "RS256", "r1"), Permission.READ, Scope.UPLOAD)
    for issuer.status, issuer.body in ((500, None), (200, b"{"), (200, b"[]"), (200, b'{"keys": []}'), (200, b" " * 2**21)):
        before = issuer.asked
        while issuer.asked == before:  # the set is renewed beside the requests
            await judge.bearer(token(tenant, RSA, "RS256", "r1"), Permission.READ, Scope.UPLOAD)


async def test_a_token_is_for_its_scopes_alone(outbox: Outbox, issuer: Issuer, tenant: Tenant) -> None:
    judge = bearers(outbox, issuer)
    uploads = token(tenant, RSA, "RS256", "r1")
    with pytest.raises(InsufficientScopeError):
        await judge.bearer(uploads, Permission.READ, Scope.DASHBOARD)
    await judge.bearer(uploads, Permission.READ, Scope.DASHBOARD, Scope.UPLOAD)
    plain = token(tenant, RSA, "RS256", "r1", scope=None)
    await judge.bearer(plain, Permission.READ, Scope.DASHBOARD)
    with pytest.raises(InsufficientScopeError):
        await judge.bearer(plain, Permission.READ, Scope.UPLOAD)


async def test_without_any_keys_nobody_knows(outbox: Outbox, issuer: Issuer, tenant: Tenant) -> None:
    issuer.status = 500
    with pytest.raises(KeysUnavailableError):
        await bearers(outbox, issuer).bearer(token(tenant, RSA, "RS256", "r1"), Permission.READ, Scope.UPLOAD)


async def test_a_secret_and_a_key_set_may_be_used_together(outbox: Outbox, issuer: Issuer, tenant: Tenant) -> None:
    judge = bearers(outbox, issuer, "s" * 40)
    now = datetime.now(UTC)
    own = judge.issue(subject="me", tenant_id=tenant.id, role=Role.ADMIN, scope="upload", now=now, lives=timedelta(minutes=1))
    assert (await judge.holder(own, Permission.ADMINISTER, Scope.UPLOAD)).subject == "me"
    assert await judge.is_valid(own, tenant.id, Scope.UPLOAD)
    assert not await judge.is_valid(own, tenant.id, *Scope)
    assert not await judge.is_valid(own, TenantId(uuid4()))
    await judge.bearer(token(tenant, EC, "ES256", "e1"), Permission.READ, Scope.UPLOAD)


async def test_secrets_rotate(outbox: Outbox, issuer: Issuer, tenant: Tenant) -> None:
    old, new, unknown = "o" * 40, "n" * 40, "u" * 40
    judge = bearers(outbox, issuer, new, old)
    for secret in (old, new):
        await judge.bearer(token(tenant, secret, "HS256", None), Permission.READ, Scope.UPLOAD)
    past = datetime.now(UTC) - timedelta(minutes=1)
    for wrong in (token(tenant, unknown, "HS256", None), token(tenant, old, "HS256", None, exp=past)):
        with pytest.raises(UnknownTokenError):
            await judge.bearer(wrong, Permission.READ, Scope.UPLOAD)

    now, lives = datetime.now(UTC), timedelta(minutes=1)
    own = judge.issue(subject="me", tenant_id=tenant.id, role=Role.ADMIN, scope="upload", now=now, lives=lives)
    assert await bearers(outbox, issuer, new).is_valid(own, tenant.id, Scope.UPLOAD)
    assert not await bearers(outbox, issuer, old).is_valid(own, tenant.id, Scope.UPLOAD)
