"""`UPLOADCARE_STORE` or `store`: whether a file is kept or goes after a day (U-03, U-04, U-09)."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from services.gateway.dialects.uploadcare.errors import UploadcareError
from services.gateway.dialects.uploadcare.params import Params
from services.gateway.domain.project import Project


@dataclass(frozen=True)
class Retention:
    kept_at: datetime | None
    file_expires_at: datetime | None


def retention(params: Params, project: Project, now: datetime, temporary: timedelta) -> Retention:
    """`auto` is the project's choice. `1` is refused where the project has auto-store off: files are stored there one by one,
    through the REST API. Raises UploadcareError."""
    match params.filled("UPLOADCARE_STORE", "store") or "0":
        case "0":
            keeps = False
        case "1":
            if not project.auto_store:
                raise UploadcareError("AutostoreDisabledError")
            keeps = True
        case "auto":
            keeps = project.auto_store
        case _:
            raise UploadcareError("UploadViewsError")
    return Retention(now, None) if keeps else Retention(None, now + temporary)
