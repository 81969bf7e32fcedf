"""Events that jobs emit belong to the trace of the request that registered the upload."""

from collections.abc import Iterable

from contracts.events import UploadEvent
from libs.observability.tracing import span
from libs.outbox.unit_of_work import UnitOfWork
from services.session.domain.session import Session


def tell(work: UnitOfWork, session: Session, events: Iterable[UploadEvent]) -> None:
    with span(f"session {session.state}", headers={"traceparent": session.traceparent} if session.traceparent else None):
        for event in events:
            work.emit(event)
