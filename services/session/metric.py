"""What the session service counts, and how it logs a step of an upload."""

import structlog
from prometheus_client import Counter, Gauge

from services.session.domain.session import Session

TRANSITIONS = Counter("longshore_session_transitions", "Uploads that reached a state", ["state"])
SCANS = Counter("longshore_session_scans", "Objects shown to the virus scanner", ["result"])
"""`clean`, `infected`, `oversized` or `failed`: not scanned, and tried again."""
WAITING = Gauge("longshore_session_waiting", "Sessions that wait for a job", ["job"])

log = structlog.get_logger()


def transition(session: Session) -> None:
    TRANSITIONS.labels(session.state.value).inc()
    log.info(f"upload.{session.state}", upload_id=str(session.upload_id), code=session.reject_code, removal=session.removal)
