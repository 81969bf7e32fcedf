"""`/webhooks/`: who is told what becomes of the project's files."""

import asyncio
from dataclasses import replace
from typing import Any, Final

from aiohttp import web

from libs.egress.url import UrlRefusedError, check_host
from libs.web.route import HttpError
from services.gateway.deps import Deps
from services.gateway.dialects.uploadcare.rest.answer import DATABASE_SECONDS, answer, nothing
from services.gateway.dialects.uploadcare.rest.auth import Gate
from services.gateway.dialects.uploadcare.rest.errors import HookTakenError, MissingError
from services.gateway.dialects.uploadcare.rest.request import parsed
from services.gateway.dialects.uploadcare.rest.schemas import HookChange, HookList, HookRequest, HookView, Unsubscription
from services.gateway.dialects.uploadcare.rest.translate import to_hook
from services.gateway.domain.webhook import Hook
from services.gateway.store import HookStore

LARGEST_ID: Final = 2**63 - 1
MAX_HOOKS: Final = 100
"""Each upload may be told to all of them."""


class Webhooks:
    def __init__(self, deps: Deps) -> None:
        self._deps = deps
        self._gate = Gate(deps)

    async def show_all(self, request: web.Request) -> web.Response:
        project = (await self._gate.admit(request)).project
        async with asyncio.timeout(DATABASE_SECONDS), self._deps.database.connection() as connection:
            hooks = await HookStore(connection).of_project(project.id)
        return answer(HookList([self._view(hook) for hook in hooks]))

    async def create(self, request: web.Request) -> web.Response:
        call = await self._gate.admit(request)
        asked = parsed(request, call.body, HookRequest)
        await self._check_url(asked.target_url)
        async with asyncio.timeout(DATABASE_SECONDS), self._deps.database.transaction() as connection:
            store = HookStore(connection)
            if len(await store.of_project(call.project.id)) >= MAX_HOOKS:
                raise HttpError(f"A project has at most {MAX_HOOKS} webhooks.")
            hook = await store.insert(
                call.project.id,
                asked.event,
                asked.target_url,
                signing_secret_sealed=self._sealed(asked.signing_secret),
                is_active=asked.is_active,
                at=self._deps.clock(),
            )
        if hook is None:
            raise HookTakenError
        return answer(self._view(hook), 201)

    async def change(self, request: web.Request) -> web.Response:
        call = await self._gate.admit(request)
        changes = self._changes(parsed(request, call.body, HookChange))
        if "target_url" in changes:
            await self._check_url(changes["target_url"])
        async with asyncio.timeout(DATABASE_SECONDS), self._deps.database.transaction() as connection:
            hook = await HookStore(connection).find(call.project.id, _hook_id(request))
            if hook is None:
                raise MissingError
            changed = await HookStore(connection).update(replace(hook, **changes), self._deps.clock())
        if changed is None:
            raise HookTakenError
        return answer(self._view(changed))

    async def delete(self, request: web.Request) -> web.Response:
        """As pyuploadcare does it."""
        project = (await self._gate.admit(request)).project
        async with asyncio.timeout(DATABASE_SECONDS), self._deps.database.connection() as connection:
            if not await HookStore(connection).delete(project.id, _hook_id(request)):
                raise MissingError
        return nothing()

    async def unsubscribe(self, request: web.Request) -> web.Response:
        """All webhooks that tell this address something."""
        call = await self._gate.admit(request)
        target_url = parsed(request, call.body, Unsubscription).target_url
        async with asyncio.timeout(DATABASE_SECONDS), self._deps.database.connection() as connection:
            if not await HookStore(connection).delete_by_url(call.project.id, target_url):
                raise MissingError
        return nothing()

    def _changes(self, asked: HookChange) -> dict[str, Any]:
        """The fields of a `Hook` that are to change."""
        given = asked.model_dump(exclude_unset=True, exclude={"version"})
        changes = {name: value for name, value in given.items() if name != "signing_secret" and value is not None}
        if "signing_secret" in given:
            changes["signing_secret_sealed"] = self._sealed(asked.signing_secret)
        return changes

    def _sealed(self, secret: str | None) -> str | None:
        return self._deps.secrets_box.seal(secret) if secret else None

    def _view(self, hook: Hook) -> HookView:
        sealed = hook.signing_secret_sealed
        return to_hook(hook, self._deps.secrets_box.open(sealed) if sealed else None)

    async def _check_url(self, url: str) -> None:
        """Raises HttpError where no webhook would be sent there."""
        try:
            await check_host(url, self._deps.egress)
        except UrlRefusedError as error:
            raise HttpError(f"`target_url`: {error.message}") from None


def _hook_id(request: web.Request) -> int:
    """Raises MissingError."""
    text = request.match_info["hook_id"]
    if not (text.isascii() and text.isdigit()) or len(text) > 19 or int(text) > LARGEST_ID:
        raise MissingError
    return int(text)
