"""Projects by their public key, as the upload routes need them: remembered for a few seconds."""

import asyncio
from collections.abc import Sequence
from time import monotonic
from typing import Final

from libs.postgres.coalesce import Coalescer
from libs.postgres.database import Database
from libs.runtime.secret import SecretBox
from services.gateway.domain.project import Project, ProjectId, RateLimit
from services.gateway.store import ProjectStore

MAX_CACHED: Final = 10_000
MAX_KEY_LENGTH: Final = 100
LOOKUP_SECONDS: Final = 5


class Projects:
    def __init__(self, database: Database, secrets_box: SecretBox, *, cache_seconds: float) -> None:
        self._database = database
        self._secrets_box = secrets_box
        self._cache_seconds = cache_seconds
        self._known: dict[str, tuple[float, Project]] = {}
        # One at a time: a second one would only wait for the rows of the first.
        self._tokens: Coalescer[tuple[ProjectId, RateLimit], float | None] = Coalescer(
            self._take, max_writes=1, patience_seconds=LOOKUP_SECONDS
        )

    async def find(self, public_key: str) -> Project | None:
        """Whatever its status; TimeoutError when the database does not answer."""
        if not 0 < len(public_key) <= MAX_KEY_LENGTH:
            return None
        until, project = self._known.get(public_key, (0.0, None))
        if project is not None and monotonic() < until:
            return project
        async with asyncio.timeout(LOOKUP_SECONDS), self._database.connection() as connection:
            project = await ProjectStore(connection).find_by_key(public_key)
        if project is None:
            self._known.pop(public_key, None)
            return None
        if len(self._known) >= MAX_CACHED:
            self._known.clear()
        self._known[public_key] = (monotonic() + self._cache_seconds, project)
        return project

    def secret_key(self, project: Project) -> str:
        return self._secrets_box.open(project.secret_sealed)

    async def throttled_seconds(self, project: Project) -> float | None:
        """Takes a token of the project's bucket, which all replicas share; None: it may go on.

        Requests of one moment take theirs together.
        """
        if project.rate_limit is None:
            return None
        return await self._tokens.submit((project.id, project.rate_limit))

    async def _take(self, wishes: Sequence[tuple[ProjectId, RateLimit]]) -> Sequence[float | None]:
        """In the order of the requests: the first ones get what is there."""
        async with self._database.connection() as connection:
            taken = await ProjectStore(connection).take_tokens(wishes)
        left = {project_id: tokens.count for project_id, tokens in taken.items()}
        answers: list[float | None] = []
        for project_id, _limit in wishes:
            left[project_id] -= 1
            answers.append(None if left[project_id] >= 0 else taken[project_id].wait.total_seconds())
        return answers
