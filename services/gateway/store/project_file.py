"""Files of a project: listed. `project_upload.py` finds and changes one, `project_count.py` tells how many there are."""

from typing import Final

from libs.postgres.database import Connection
from services.gateway.domain.page import Place, Window
from services.gateway.domain.project import ProjectId
from services.gateway.domain.upload import Upload
from services.gateway.store.listing import Listing
from services.gateway.store.upload import COLUMNS, to_upload

REMOVED: Final = "(deleted_at IS NOT NULL OR state IN ('DELETED', 'FILE_EXPIRED'))"


class ProjectFileStore:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def page(
        self, project_id: ProjectId, window: Window, *, removed: bool, stored: bool | None
    ) -> tuple[list[Upload], Place | None]:
        """Verified files, one more than the page has where there is more; and where the page before begins."""
        listing = _listing(project_id, removed=removed, stored=stored)
        rows = await listing.rows(self._connection, window)
        return [to_upload(row) for row in rows], await listing.before(self._connection, window)


def _listing(project_id: ProjectId, *, removed: bool, stored: bool | None) -> Listing:
    conditions = ["project_id = $1", "completed_at IS NOT NULL", REMOVED if removed else f"NOT {REMOVED}"]
    if stored is not None:
        kept = f"kept_at IS NOT NULL AND NOT {REMOVED}"
        conditions.append(kept if stored else f"NOT ({kept})")
    return Listing("uploads", COLUMNS, " AND ".join(conditions), (project_id,))
