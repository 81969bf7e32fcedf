"""What events say of an upload: a change for each, and of all changes in a batch one.

Events come in any order and any number of times. A fact is said by the one event that knows it; the state belongs to the newest
event, so a change brings it along with the event's version.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from contracts.events import (
    Event,
    FetchCompleted,
    FetchProgressed,
    FileDeleted,
    FileExpired,
    FileInspected,
    FileRetentionChanged,
    ObjectStored,
    ProcessingCompleted,
    ProcessingFailed,
    ProcessingProgressed,
    StreamStarted,
    UploadAborted,
    UploadCompleted,
    UploadEvent,
    UploadExpired,
    UploadRejected,
)
from contracts.ids import UploadId
from services.gateway.domain.upload import WITHOUT_FILE, State


@dataclass(frozen=True)
class Advance:
    """The state that an event leads to, unless something newer is known."""

    version: int
    state: State
    occurred_at: datetime
    error_code: str | None = None
    error_message: str | None = None

    @property
    def frees_name(self) -> bool:
        return self.state in WITHOUT_FILE

    @property
    def order(self) -> tuple[int, str]:
        """Of two, the greater one is newer, also where the versions are equal."""
        return self.version, self.state.value


@dataclass(frozen=True)
class VerifiedFile:
    size_bytes: int
    etag: str
    content_type: str | None
    completed_at: datetime


@dataclass(frozen=True)
class Inspection:
    mime_type: str
    image: dict[str, Any] | None
    media: dict[str, Any] | None


@dataclass(frozen=True)
class FetchStep:
    """How far a fetch is; `is_last`: all is there, and the source has told a name and a type."""

    done_bytes: int
    total_bytes: int | None
    is_last: bool = False
    file_name: str | None = None
    content_type: str | None = None


@dataclass(frozen=True)
class RetentionChange:
    revision: int
    file_expires_at: datetime | None


@dataclass(frozen=True)
class UploadChange:
    """What is said of one upload. None: nothing of that."""

    upload_id: UploadId
    advance: Advance | None = None
    stored_at: datetime | None = None
    file: VerifiedFile | None = None
    inspection: Inspection | None = None
    renditions: list[dict[str, Any]] | None = None
    progress_percent: int | None = None
    fetch: FetchStep | None = None
    retention: RetentionChange | None = None
    stream_playlist: str | None = None

    def merged(self, later: "UploadChange") -> "UploadChange":
        """What both say together: the newest state, the farthest progress, the highest revision."""
        return UploadChange(
            self.upload_id,
            advance=_greatest(self.advance, later.advance, lambda advance: advance.order),
            stored_at=_greatest(self.stored_at, later.stored_at, lambda stored_at: stored_at),
            file=later.file or self.file,
            inspection=later.inspection or self.inspection,
            renditions=self.renditions if later.renditions is None else later.renditions,
            progress_percent=_greatest(self.progress_percent, later.progress_percent, lambda percent: percent),
            fetch=_greatest(self.fetch, later.fetch, lambda fetch: (fetch.is_last, fetch.done_bytes)),
            retention=_greatest(self.retention, later.retention, lambda retention: retention.revision),
            stream_playlist=later.stream_playlist or self.stream_playlist,
        )


def change_of(event: UploadEvent, occurred_at: datetime) -> UploadChange | None:
    """None where the event changes nothing that is shown of its upload."""
    rule = _RULES.get(type(event))
    return rule(UploadChange(event.upload_id), event, occurred_at) if rule else None


def _greatest(first: Any, second: Any, key: Callable[[Any], Any]) -> Any:
    return max((value for value in (first, second) if value is not None), key=key, default=None)


def _stored(change: UploadChange, event: ObjectStored, at: datetime) -> UploadChange:
    return replace(change, advance=Advance(event.version, State.STORED, at), stored_at=event.object.stored_at)


def _completed(change: UploadChange, event: UploadCompleted, at: datetime) -> UploadChange:
    stored = event.object
    file = VerifiedFile(stored.size_bytes, stored.etag, stored.content_type, event.completed_at)
    return replace(change, advance=Advance(event.version, State.COMPLETED, at), file=file)


def _failed(state: State) -> Callable[[UploadChange, Any, datetime], UploadChange]:
    def rule(change: UploadChange, event: UploadRejected | ProcessingFailed, at: datetime) -> UploadChange:
        return replace(change, advance=Advance(event.version, state, at, event.code, event.message))

    return rule


def _ended(state: State) -> Callable[[UploadChange, Any, datetime], UploadChange]:
    def rule(change: UploadChange, event: UploadEvent, at: datetime) -> UploadChange:
        return replace(change, advance=Advance(event.version, state, at))

    return rule


def _inspected(change: UploadChange, event: FileInspected, at: datetime) -> UploadChange:
    image = event.image.model_dump(mode="json") if event.image else None
    media = event.media.model_dump(mode="json") if event.media else None
    inspection = Inspection(event.mime_type, image, media)
    return replace(change, advance=Advance(event.version, State.PROCESSING, at), inspection=inspection)


def _processed(change: UploadChange, event: ProcessingCompleted, at: datetime) -> UploadChange:
    renditions = [rendition.model_dump(mode="json") for rendition in event.renditions]
    return replace(change, advance=Advance(event.version, State.READY, at), renditions=renditions)


def _progressed(change: UploadChange, event: ProcessingProgressed, _at: datetime) -> UploadChange:
    return replace(change, progress_percent=event.percent)


def _streaming(change: UploadChange, event: StreamStarted, _at: datetime) -> UploadChange:
    return replace(change, stream_playlist=event.playlist)


def _fetching(change: UploadChange, event: FetchProgressed, _at: datetime) -> UploadChange:
    return replace(change, fetch=FetchStep(event.done_bytes, event.total_bytes))


def _fetched(change: UploadChange, event: FetchCompleted, _at: datetime) -> UploadChange:
    step = FetchStep(
        event.size_bytes, event.size_bytes, is_last=True, file_name=event.file_name, content_type=event.content_type
    )
    return replace(change, fetch=step)


def _retained(change: UploadChange, event: FileRetentionChanged, _at: datetime) -> UploadChange:
    return replace(change, retention=RetentionChange(event.revision, event.file_expires_at))


_RULES: Final[Mapping[type[Event], Callable[[UploadChange, Any, datetime], UploadChange]]] = {
    ObjectStored: _stored,
    UploadCompleted: _completed,
    UploadRejected: _failed(State.REJECTED),
    UploadAborted: _ended(State.ABORTED),
    UploadExpired: _ended(State.EXPIRED),
    FileExpired: _ended(State.FILE_EXPIRED),
    FileDeleted: _ended(State.DELETED),
    FileInspected: _inspected,
    ProcessingProgressed: _progressed,
    StreamStarted: _streaming,
    ProcessingCompleted: _processed,
    ProcessingFailed: _failed(State.PROCESSING_FAILED),
    FetchProgressed: _fetching,
    FetchCompleted: _fetched,
    FileRetentionChanged: _retained,
}
