"""Who a request speaks for, and whether it may: the project behind a public key (U-08, U-39)."""

from collections.abc import Mapping
from typing import Final

from aiohttp import hdrs, web

from services.gateway.deps import Deps
from services.gateway.dialects.uploadcare.errors import ThrottledError, UploadcareError
from services.gateway.dialects.uploadcare.params import Params
from services.gateway.domain.project import Project, ProjectStatus

PUB_KEY: Final = "pub_key"
UPLOADCARE_PUB_KEY: Final = "UPLOADCARE_PUB_KEY"
"""Two names of one parameter: every route takes either, its messages name the documented one."""

_REFUSALS: Final[Mapping[ProjectStatus, str]] = {
    ProjectStatus.BLOCKED: "AccountBlockedError",
    ProjectStatus.UNPAID: "AccountUnpaidError",
    ProjectStatus.OVER_LIMITS: "AccountLimitsExceededError",
}


async def admit(deps: Deps, request: web.Request, params: Params, documented_name: str) -> Project:
    """The project, if it is in order and this request is one more that it may make.

    Raises UploadcareError: key, then state, origin and rate limit.
    """
    key = _key(params, documented_name)
    project = await deps.projects.find(key)
    if project is None:
        raise UploadcareError("ProjectPublicKeyInvalidError", documented_name)
    check_status(project)
    _check_origin(request, project)
    await take_token(deps, project)
    return project


async def still(deps: Deps, project: Project) -> Project:
    """As it is by now, when a request has taken its time. Raises UploadcareError."""
    now = await deps.projects.find(project.public_key)
    if now is None:
        raise UploadcareError("ProjectPublicKeyRemovedError", project.public_key)
    check_status(now)
    return now


def check_status(project: Project) -> None:
    """Raises UploadcareError."""
    if project.status is ProjectStatus.REMOVED:
        raise UploadcareError("ProjectPublicKeyRemovedError", project.public_key)
    if project.status in _REFUSALS:
        raise UploadcareError(_REFUSALS[project.status])


async def take_token(deps: Deps, project: Project) -> None:
    """One more request. Raises ThrottledError."""
    if (seconds := await deps.projects.throttled_seconds(project)) is not None:
        raise ThrottledError(seconds)


def names_project(params: Params) -> bool:
    return bool(_keys(params))


def check_same(params: Params, project: Project) -> None:
    """Raises UploadcareError where they name another one too: nobody guesses whose file this is to be."""
    if _keys(params) != {project.public_key}:
        raise UploadcareError("InternalRequestInvalidError")


def _key(params: Params, documented_name: str) -> str:
    given = _keys(params)
    if not given:
        raise UploadcareError("ProjectPublicKeyRequiredError", documented_name)
    if len(given) > 1:
        raise UploadcareError("InternalRequestInvalidError")
    return given.pop()


def _keys(params: Params) -> set[str]:
    return {key for name in (PUB_KEY, UPLOADCARE_PUB_KEY) if (key := params.filled(name))}


def _check_origin(request: web.Request, project: Project) -> None:
    """Web pages only: what is no browser sends no Origin, and could send any."""
    origin = request.headers.get(hdrs.ORIGIN)
    if origin is not None and project.allowed_origins and origin.lower() not in map(str.lower, project.allowed_origins):
        raise UploadcareError("InternalRequestForbiddenError")
