"""`/group/` and `/group/info/`: immutable groups of a project's files (U-33 to U-37)."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from aiohttp import web

from contracts.ids import new_id
from services.gateway.deps import Deps
from services.gateway.dialects.uploadcare.answer import answer
from services.gateway.dialects.uploadcare.errors import UploadcareError
from services.gateway.dialects.uploadcare.file_info import file_info
from services.gateway.dialects.uploadcare.found_file import is_there
from services.gateway.dialects.uploadcare.group_file import GroupFile, group_files
from services.gateway.dialects.uploadcare.params import query_params, read_params, to_uuid
from services.gateway.dialects.uploadcare.project import PUB_KEY, admit
from services.gateway.dialects.uploadcare.signature import authorize
from services.gateway.domain.project import Project
from services.gateway.store import GroupStore, ProjectUploadStore
from services.gateway.store.group import Group, Member

_ID: Final = re.compile(r"([0-9A-Fa-f-]{36})~([1-9][0-9]{0,4})")


class Groups:
    def __init__(self, deps: Deps) -> None:
        self._deps = deps

    async def create(self, request: web.Request) -> web.Response:
        params = await read_params(request)
        project = await admit(self._deps, request, params, PUB_KEY)
        files = group_files(params)
        await authorize(self._deps, request, params, project, files=0)
        now = self._deps.clock()
        group = Group(new_id(), project.id, now, len(files))
        async with self._deps.outbox.unit_of_work() as work:
            await _check_files(ProjectUploadStore(work.connection), project, files, now)
            store = GroupStore(work.connection)
            await store.insert(group, [(file.upload_id, file.effects) for file in files])
            members = await store.members(group.id)
        return answer(view(group, members, self._deps.base_url, now))

    async def show(self, request: web.Request) -> web.Response:
        params = query_params(request)
        project = await admit(self._deps, request, params, PUB_KEY)
        text = params.filled("group_id")
        if text is None:
            raise UploadcareError("GroupIdRequiredError")
        group, members = await self._find(project, text)
        return answer(view(group, members, self._deps.base_url, self._deps.clock()))

    async def _find(self, project: Project, text: str) -> tuple[Group, Sequence[Member]]:
        found = _ID.fullmatch(text)
        group_id = to_uuid(found[1]) if found else None
        if found is None or group_id is None:
            raise UploadcareError("GroupNotFoundError")
        async with self._deps.database.connection() as connection:
            store = GroupStore(connection)
            group = await store.find(group_id)
            if group is None or group.project_id != project.id or group.files_count != int(found[2]):
                raise UploadcareError("GroupNotFoundError")
            return group, await store.members(group_id)


async def _check_files(store: ProjectUploadStore, project: Project, files: Sequence[GroupFile], now: datetime) -> None:
    known = await store.find_all(project.id, [file.upload_id for file in files])
    if not all(file.upload_id in known and is_there(known[file.upload_id], now) for file in files):
        raise UploadcareError("GroupFilesNotFoundError")


def group_id(group: Group) -> str:
    return f"{group.id}~{group.files_count}"


def view(group: Group, members: Sequence[Member], base_url: str, now: datetime) -> dict[str, Any]:
    name = group_id(group)
    return {
        "id": name,
        "datetime_created": group.created_at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "datetime_stored": None,
        "files_count": group.files_count,
        "cdn_url": f"{base_url}/{name}/",
        "url": f"{base_url}/groups/{name}/",
        "files": [member_view(member, now) for member in members],
    }


def member_view(member: Member, now: datetime) -> dict[str, Any] | None:
    """None: the file is gone."""
    if not is_there(member.upload, now):
        return None
    return {**file_info(member.upload).model_dump(), "default_effects": member.effects}
