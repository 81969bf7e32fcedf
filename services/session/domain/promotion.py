"""The promotion of a session as a job, and what can come of it."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from contracts.events import StoredObject
from contracts.ids import TenantId
from services.session.domain.session import Session, await_again, complete, reject


@dataclass(frozen=True)
class PromotionJob:
    session: Session
    lease: UUID
    """Of this claim."""
    attempts: int
    """This one included."""

    @property
    def tenant_id(self) -> TenantId:
        return self.session.tenant_id


@dataclass(frozen=True)
class Promoted:
    file: StoredObject


@dataclass(frozen=True)
class Rejected:
    code: str
    message: str


@dataclass(frozen=True)
class Vanished:
    """Neither the staged object nor the promoted one is there."""


@dataclass(frozen=True)
class Postponed:
    """The store or the virus scanner did not do it: another attempt after `seconds`."""

    seconds: float
    failed_scans: int = 0
    """How many this attempt adds."""


Outcome = Promoted | Rejected | Vanished | Postponed


def decide(session: Session, outcome: Outcome, now: datetime) -> Session:
    match outcome:
        case Promoted(file):
            return complete(session, file, now)
        case Rejected(code, message):
            return reject(session, code, message, now)
        case Vanished():
            return await_again(session)
        case Postponed():
            return session
