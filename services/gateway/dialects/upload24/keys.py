"""`POST /api-keys/generate`: a key for uploads, shown this once and stored hashed (T-01, T-02, T-06)."""

import asyncio
from typing import Final

from aiohttp import web

from libs.web.request import read_json
from services.gateway.auth import key_hash, new_api_key
from services.gateway.deps import Deps
from services.gateway.dialects.upload24.answer import answer
from services.gateway.dialects.upload24.auth import dashboard
from services.gateway.dialects.upload24.schemas import GeneratedKey, KeyRequest
from services.gateway.dialects.upload24.session import DATABASE_SECONDS
from services.gateway.dialects.upload24.translate import timestamp
from services.gateway.domain.role import Permission, Role
from services.gateway.store import TenantStore

ROLE: Final = Role.RENDER
"""The least that may upload."""
DEFAULT_NAME: Final = "Uploads"


class Keys:
    def __init__(self, deps: Deps) -> None:
        self._deps = deps

    async def generate(self, request: web.Request) -> web.Response:
        principal = await dashboard(self._deps, request, Permission.ADMINISTER)
        body = await read_json(request, KeyRequest) if request.can_read_body else KeyRequest()
        name, api_key = body.name or DEFAULT_NAME, new_api_key()
        async with asyncio.timeout(DATABASE_SECONDS), self._deps.database.transaction() as connection:
            await TenantStore(connection).insert_key(key_hash(api_key), principal.tenant_id, ROLE.name.lower(), name)
        view = GeneratedKey(api_key=api_key, name=name, created_at=timestamp(self._deps.clock()))
        return answer(view, status=201)
