"""Every event of the platform: past tense, frozen, self-contained.

An event type (`upload.registered.v1`) is also its routing key. Optional fields may be added; anything else is a new
version under a new type. `version` is the upload's position in its life (see `Stage`): a projection ignores an event
whose version is not newer than what it knows, so order and repetition do not matter.
"""

from datetime import datetime
from enum import IntEnum
from typing import Annotated, Any, ClassVar, Literal, TypeAlias
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, NonNegativeInt

from contracts.ids import EventId, TenantId, UploadId, event_id
from contracts.webhook import WebhookFormat, WebhookNews

JsonObject: TypeAlias = dict[str, Any]


class Stage(IntEnum):
    """The position of an event in an upload's life; the `version` that it carries."""

    REGISTERED = 1
    STORED = 2
    CLOSED = 3  # completed, rejected, aborted or expired: exactly one of them happens
    INSPECTED = 4
    PROCESSED = 5  # completed or failed
    REMOVED = 9  # the file is gone: retention ended, or its owner deleted it


class Event(BaseModel):
    """What all events have in common. `type` is the routing key, `aggregate_id` what they are about."""

    model_config = ConfigDict(frozen=True, extra="ignore", use_attribute_docstrings=True)

    type: ClassVar[str]
    publisher: ClassVar[str]
    """The one service that says this."""

    @property
    def aggregate_id(self) -> UUID:
        raise NotImplementedError

    @property
    def number(self) -> int | str:
        """Which event of its type about this aggregate it is; makes the event id deterministic."""
        return 1

    @property
    def event_id(self) -> EventId:
        return event_id(self.aggregate_id, self.type, self.number)


class UploadEvent(Event):
    """An event about one upload."""

    upload_id: UploadId
    tenant_id: TenantId
    version: Annotated[int, Field(ge=1)]
    """Position in the upload's life, see `Stage`."""

    @property
    def aggregate_id(self) -> UUID:
        return self.upload_id


# ---------------------------------------------------------------- values


class Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", use_attribute_docstrings=True)


Transfer: TypeAlias = Literal["single_put", "multipart", "streamed", "fetched"]
"""How the bytes come in: a PUT to a signed URL; parts to signed URLs and a completion call; through the gateway, so that they
lie in the store before the registration; fetched by the platform itself."""


class Constraints(Value):
    """What the bytes must satisfy; the session service compares it with what the store holds."""

    size_bytes: NonNegativeInt | None = None
    """Exact declared size, where the API asks for one."""
    max_size_bytes: NonNegativeInt
    min_size_bytes: NonNegativeInt = 0
    content_type: str | None = None
    """Declared type; bound by the signed URL, compared again after the upload."""
    allowed_types: tuple[str, ...] = ()
    """MIME types (`image/png`, `image/*`) that the bytes themselves must show; empty: all."""
    forbidden_types: tuple[str, ...] = ()
    """MIME types that the bytes must not show."""


AccountKind: TypeAlias = Literal["s3", "http", "directory", "youtube", "webhook"]
"""What an upload is published to: a bucket, a URL, a mounted folder, a channel, or whoever takes signed links."""


AbortReason: TypeAlias = Literal["client", "replaced", "storage_blocked"]

WatchFolderKind: TypeAlias = Literal["directory", "bucket"]
"""A folder that is mounted where ingest runs, or what lies in a bucket below a prefix."""


class Callback(Value):
    """Where the end of processing is announced, and in which API's words."""

    url: str
    format: Literal["eachlabs"]
    view: JsonObject = {}
    """What the API's body shows and only the gateway knows: urls and declared fields, ready to send."""


class StoredObject(Value):
    """An object as the store describes it."""

    key: str
    size_bytes: NonNegativeInt
    etag: str
    content_type: str | None = None
    stored_at: AwareDatetime


class GeoLocation(Value):
    latitude: float
    """Degrees, north positive."""
    longitude: float
    """Degrees, east positive."""


class ImageInfo(Value):
    format: str
    width: int
    height: int
    orientation: int | None = None
    """EXIF orientation 1-8; width and height are those of the stored pixels, before it is applied."""
    color_mode: str | None = None
    dpi: tuple[float, float] | None = None
    sequence: bool = False
    """True where the image has more than one frame."""
    datetime_original: str | None = None
    """EXIF, ISO 8601 without a zone: `2018-09-13T16:23:40`."""
    geo_location: GeoLocation | None = None


class VideoStream(Value):
    codec: str
    width: int
    height: int
    frame_rate: float | None = None
    rotation: int = 0
    bitrate_bps: int | None = None


class AudioStream(Value):
    codec: str
    channels: int | None = None
    sample_rate_hz: int | None = None
    bitrate_bps: int | None = None


class MediaInfo(Value):
    """Container and streams of a video or audio file."""

    format: str
    duration_seconds: float | None = None
    bitrate_bps: int | None = None
    video: tuple[VideoStream, ...] = ()
    audio: tuple[AudioStream, ...] = ()


class Rendition(Value):
    """A file derived from the upload. `name` is its path below the upload's renditions, e.g. `hls/master.m3u8`."""

    name: str
    kind: Literal["thumbnail", "poster", "mp4", "hls_playlist", "hls_segment"]
    key: str
    content_type: str
    size_bytes: NonNegativeInt
    width: int | None = None
    height: int | None = None
    duration_seconds: float | None = None


# ---------------------------------------------------------------- gateway


class TenantConfigured(Event):
    """A tenant exists or its settings changed. Secrets are encrypted with the platform key (`libs.runtime.secret`)."""

    type: ClassVar[str] = "tenant.configured.v1"
    publisher: ClassVar[str] = "gateway"

    tenant_id: TenantId
    revision: int
    """Counts up with each change; an older one is ignored."""
    name: str
    webhook_secret_encrypted: str

    @property
    def aggregate_id(self) -> UUID:
        return self.tenant_id

    @property
    def number(self) -> int:
        return self.revision


class UploadRegistered(UploadEvent):
    """An upload was accepted and its bytes may now arrive under `staging_key`."""

    type: ClassVar[str] = "upload.registered.v1"
    publisher: ClassVar[str] = "gateway"

    dialect: Literal["eachlabs", "json2video", "medialab", "platform", "upload24", "uploadcare"]
    transfer: Transfer = "single_put"
    multipart_id: str | None = None
    """The store's id of the open multipart upload under `staging_key`; it is aborted when the upload ends without it."""
    staging_key: str
    """Where the client's URL writes; never served."""
    object_key: str
    """Where the file lies once accepted."""
    constraints: Constraints
    file_name: str | None = None
    transcode: bool = True
    registered_at: AwareDatetime
    url_expires_at: AwareDatetime
    """A request that starts later is refused."""
    deadline_at: AwareDatetime
    """When the upload expires if no bytes arrived; later than `url_expires_at` so that a long PUT can end."""
    file_expires_at: AwareDatetime | None = None
    """When the file is deleted; None keeps it."""
    callback: Callback | None = None


class UploadFinishRequested(UploadEvent):
    """The client says that it sent everything (APIs with a completion call): the object lies under its staging key now."""

    type: ClassVar[str] = "upload.finish-requested.v1"
    publisher: ClassVar[str] = "gateway"


class UploadAbortRequested(UploadEvent):
    """The client gave the upload up, a newer registration took its name, or the tenant may bring nothing in."""

    type: ClassVar[str] = "upload.abort-requested.v1"
    publisher: ClassVar[str] = "gateway"

    reason: AbortReason


class FileDeleteRequested(UploadEvent):
    """The owner deleted the file; it is unreadable from this moment, its bytes go soon."""

    type: ClassVar[str] = "file.delete-requested.v1"
    publisher: ClassVar[str] = "gateway"


class FileRetentionChanged(UploadEvent):
    """The file shall be kept until another time, or for good (None)."""

    type: ClassVar[str] = "file.retention-changed.v1"
    publisher: ClassVar[str] = "gateway"

    revision: int
    """Counts up with each change of one file; an older one is ignored."""
    file_expires_at: AwareDatetime | None

    @property
    def number(self) -> int:
        return self.revision


class FetchRequested(UploadEvent):
    """The platform shall fetch the bytes itself."""

    type: ClassVar[str] = "fetch.requested.v1"
    publisher: ClassVar[str] = "gateway"

    source_url: str
    """`http(s)://…`; `blob:<container id>/<key>`, with `container_encrypted`; or `watch:<file id>`, see WatchedFileFound."""
    container_encrypted: str | None = None
    """JSON of a `contracts.container.Container`, credentials included."""
    staging_key: str
    max_size_bytes: NonNegativeInt
    allowed_types: tuple[str, ...] = ()
    """MIME types (`image/png`, `image/*`) that alone are accepted; empty: all."""
    forbidden_types: tuple[str, ...] = ()
    """MIME types that are refused."""


class WebhookRequested(Event):
    """A webhook whose body an API's own face has written: it is to be sent byte for byte, and retried as any other."""

    type: ClassVar[str] = "webhook.requested.v1"
    publisher: ClassVar[str] = "gateway"

    webhook_id: UUID
    """The same for the same news to the same receiver."""
    tenant_id: TenantId
    upload_id: UploadId
    url: str
    format: Literal["uploadcare"]
    """How it is signed."""
    name: str
    """The API's name of the news, e.g. `file.uploaded`."""
    body: str
    """JSON text."""
    secret_encrypted: str | None = None
    """Of this receiver; None: it is not signed."""

    @property
    def aggregate_id(self) -> UUID:
        return self.webhook_id


class WatchFolderConfigured(Event):
    """A place of a tenant, whose files become uploads of it, was named, changed or removed."""

    type: ClassVar[str] = "watch-folder.configured.v1"
    publisher: ClassVar[str] = "gateway"

    watch_folder_id: UUID
    tenant_id: TenantId
    revision: int
    """Counts up with each change; an older one is ignored."""
    kind: WatchFolderKind
    on_success: Literal["delete", "move"]
    """What happens to a file that has become an upload: it goes, or it goes to `.done/`."""
    settings_encrypted: str
    """JSON of what `contracts.container` calls a WatchedDirectory or a WatchedBucket, by `kind`."""
    removed: bool = False

    @property
    def aggregate_id(self) -> UUID:
        return self.watch_folder_id

    @property
    def number(self) -> int:
        return self.revision


class AccountConfigured(Event):
    """An account of a tenant, to which its uploads may be published, was linked, changed or removed."""

    type: ClassVar[str] = "account.configured.v1"
    publisher: ClassVar[str] = "gateway"

    account_id: UUID
    tenant_id: TenantId
    revision: int
    """Counts up with each change; an older one is ignored."""
    kind: AccountKind
    name: str
    settings_encrypted: str
    """JSON of what the connector of this kind needs, credentials included."""
    removed: bool = False

    @property
    def aggregate_id(self) -> UUID:
        return self.account_id

    @property
    def number(self) -> int:
        return self.revision


class PublicationRequested(UploadEvent):
    """The upload shall be published to accounts as soon as it is complete and `due_at` has come."""

    type: ClassVar[str] = "publication.requested.v1"
    publisher: ClassVar[str] = "gateway"

    account_ids: tuple[UUID, ...]
    due_at: AwareDatetime | None = None
    """None: at once."""
    title: str
    description: str | None = None
    tags: tuple[str, ...] = ()
    file_name: str | None = None
    youtube: JsonObject | None = None
    """`categoryId`, `defaultLanguage`, `defaultAudioLanguage` and what else the client gave for YouTube."""


class WebhookEndpointConfigured(Event):
    """A tenant's webhook endpoint was made, changed or removed. Carries all of it, so that only the newest counts."""

    type: ClassVar[str] = "webhook-endpoint.configured.v1"
    publisher: ClassVar[str] = "gateway"

    endpoint_id: UUID
    tenant_id: TenantId
    revision: int
    """Counts up with each change; an older one is ignored."""
    generation: int
    """Counts up when it is enabled again and when its address changes: what was found out of an older one no longer counts."""
    url: str
    format: WebhookFormat
    news: tuple[WebhookNews, ...] = ()
    """What it is told; empty: everything."""
    secrets_encrypted: tuple[str, ...]
    """One or two, the newest first; each signs."""
    enabled: bool
    listens_since: AwareDatetime
    """It is told nothing that happened before."""
    removed: bool = False

    @property
    def aggregate_id(self) -> UUID:
        return self.endpoint_id

    @property
    def number(self) -> int:
        return self.revision


class WebhookReplayRequested(Event):
    """Webhooks of an endpoint are to be sent once more under their old ids: one of them, or all that failed since then."""

    type: ClassVar[str] = "webhook-replay.requested.v1"
    publisher: ClassVar[str] = "gateway"

    replay_id: UUID
    endpoint_id: UUID
    tenant_id: TenantId
    delivery_id: UUID | None = None
    since: AwareDatetime | None = None
    """Set where `delivery_id` is not."""

    @property
    def aggregate_id(self) -> UUID:
        return self.replay_id


class WebhookPingRequested(Event):
    """An endpoint is to be sent a test that tells of no upload."""

    type: ClassVar[str] = "webhook-ping.requested.v1"
    publisher: ClassVar[str] = "gateway"

    delivery_id: UUID
    """Of the webhook that it becomes."""
    endpoint_id: UUID
    tenant_id: TenantId

    @property
    def aggregate_id(self) -> UUID:
        return self.delivery_id


# ---------------------------------------------------------------- ingest


class FetchProgressed(UploadEvent):
    """Bytes of a running fetch; carries no state change."""

    type: ClassVar[str] = "fetch.progressed.v1"
    publisher: ClassVar[str] = "ingest"

    sequence: int
    done_bytes: NonNegativeInt
    total_bytes: NonNegativeInt | None = None

    @property
    def number(self) -> int:
        return self.sequence


class FetchCompleted(UploadEvent):
    """All bytes of the source lie under the staging key."""

    type: ClassVar[str] = "fetch.completed.v1"
    publisher: ClassVar[str] = "ingest"

    size_bytes: NonNegativeInt
    file_name: str | None = None
    """From the answer's Content-Disposition, else the last segment of the final address; as it was found there."""
    content_type: str | None = None
    """As the source declared it."""


class FetchFailed(UploadEvent):
    """The platform could not fetch the source."""

    type: ClassVar[str] = "fetch.failed.v1"
    publisher: ClassVar[str] = "ingest"

    code: str
    """Stable: `fetch_client_error` (4xx), `fetch_server_error` (5xx), `fetch_network_error`, `fetch_timeout`,
    `fetch_too_large`, `fetch_type_forbidden`, `fetch_too_many_redirects`, `fetch_url_refused`, `fetch_empty`,
    `fetch_internal`."""
    message: str
    """What fills the code's sentence: `404 Not Found`, `the name has no address`, the size; fit for the user."""


class WatchedFileFound(Event):
    """A file lies in a watch folder and nobody writes to it any more: it shall become an upload of the folder's tenant."""

    type: ClassVar[str] = "watched-file.found.v1"
    publisher: ClassVar[str] = "ingest"

    file_id: UploadId
    """The same whoever finds it; also the id of its upload."""
    tenant_id: TenantId
    watch_folder_id: UUID
    file_name: str
    folder_id: str | None = None
    """Of a subfolder `<folder_id>_<label>`."""
    folder_label: str | None = None
    """Of the same; without an id it is the subfolder's whole name. None: it lies in the watch folder itself."""
    size_bytes: NonNegativeInt
    found_at: AwareDatetime

    @property
    def aggregate_id(self) -> UUID:
        return self.file_id


# ---------------------------------------------------------------- storage_notification


class ObjectStored(UploadEvent):
    """The store holds a new object under a key that was expected. Exactly one per stored version (`etag`)."""

    type: ClassVar[str] = "object.stored.v1"
    publisher: ClassVar[str] = "storage_notification"

    object: StoredObject
    noticed_by: Literal["notification", "reconciler"]

    @property
    def number(self) -> str:
        return self.object.etag


# ---------------------------------------------------------------- session


class UploadCompleted(UploadEvent):
    """The bytes were verified and lie, immutable, under `object.key`."""

    type: ClassVar[str] = "upload.completed.v1"
    publisher: ClassVar[str] = "session"

    object: StoredObject
    file_name: str | None = None
    transcode: bool = True
    completed_at: AwareDatetime


class UploadRejected(UploadEvent):
    """The bytes were not what was registered; they are deleted."""

    type: ClassVar[str] = "upload.rejected.v1"
    publisher: ClassVar[str] = "session"

    code: str
    """Stable: `size_mismatch`, `too_large`, `too_small`, `content_type_mismatch`, `infected`, `too_large_to_scan`,
    `scan_failed`, and those of FetchFailed."""
    message: str
    """Fit for the user; of `infected` the name of the virus alone."""


class UploadAborted(UploadEvent):
    """The upload was given up before it was complete; nothing of it is kept."""

    type: ClassVar[str] = "upload.aborted.v1"
    publisher: ClassVar[str] = "session"

    reason: AbortReason


class UploadExpired(UploadEvent):
    """No bytes arrived in time."""

    type: ClassVar[str] = "upload.expired.v1"
    publisher: ClassVar[str] = "session"


class FetchedUploadClosed(UploadEvent):
    """An upload whose bytes the platform was to fetch was completed, rejected, aborted or expired.

    Nothing is to be fetched any more. Whoever fetches needs to know of these uploads alone, not of every one.
    """

    type: ClassVar[str] = "upload.fetched-closed.v1"
    publisher: ClassVar[str] = "session"

    outcome: str
    """`completed`, `rejected`, `aborted` or `expired`."""
    size_bytes: NonNegativeInt | None = None
    """Of the completed file."""
    code: str | None = None
    """Why it was rejected (see UploadRejected) or aborted (see UploadAborted)."""
    message: str = ""


class FileExpired(UploadEvent):
    """Retention ended: the file, its renditions and everything staged are deleted."""

    type: ClassVar[str] = "file.expired.v1"
    publisher: ClassVar[str] = "session"


class FileDeleted(UploadEvent):
    """The owner's deletion was carried out."""

    type: ClassVar[str] = "file.deleted.v1"
    publisher: ClassVar[str] = "session"


# ---------------------------------------------------------------- transcoder


class FileInspected(UploadEvent):
    """What the bytes really are."""

    type: ClassVar[str] = "file.inspected.v1"
    publisher: ClassVar[str] = "transcoder"

    mime_type: str
    size_bytes: NonNegativeInt
    image: ImageInfo | None = None
    media: MediaInfo | None = None


class ProcessingProgressed(UploadEvent):
    """Progress of a long job, at most a few times a minute; carries no state change."""

    type: ClassVar[str] = "processing.progressed.v1"
    publisher: ClassVar[str] = "transcoder"

    percent: Annotated[int, Field(ge=0, le=100)]

    @property
    def number(self) -> int:
        return self.percent


class StreamStarted(UploadEvent):
    """A video can be played from its beginning while the rest is still being made; carries no state change."""

    type: ClassVar[str] = "processing.stream-started.v1"
    publisher: ClassVar[str] = "transcoder"

    playlist: str
    """Path of the HLS master playlist below the upload's renditions, e.g. `hls/master.m3u8`."""


class ProcessingCompleted(UploadEvent):
    """Inspection and renditions are done; the upload is READY."""

    type: ClassVar[str] = "processing.completed.v1"
    publisher: ClassVar[str] = "transcoder"

    mime_type: str
    renditions: tuple[Rendition, ...] = ()
    """Segments of a playlist are not listed one by one; `kind` `hls_segment` does not appear here."""
    completed_at: AwareDatetime


class ProcessingFailed(UploadEvent):
    """The file cannot be processed; final, never a retry."""

    type: ClassVar[str] = "processing.failed.v1"
    publisher: ClassVar[str] = "transcoder"

    code: str
    """Stable: `unreadable_media`, `content_type_mismatch`, `limit_exceeded`, `internal`."""
    message: str
    mime_type: str | None = None


# ---------------------------------------------------------------- delivery


class DeliveryChanged(Event):
    """A delivery (a webhook, later a copy to an account) made a step."""

    type: ClassVar[str] = "delivery.changed.v1"
    publisher: ClassVar[str] = "delivery"

    delivery_id: UUID
    """Also the `webhook-id` that the receiver sees."""
    upload_id: UploadId | None = None
    """None: it tells of no upload (a test)."""
    tenant_id: TenantId
    endpoint_id: UUID | None = None
    """The webhook endpoint that it goes to, where it goes to one."""
    event: str | None = None
    """What an endpoint is told, in the words of its format: `upload.completed`, `file_upload`, `ping`."""
    kind: Literal["webhook"] = "webhook"
    target: str
    """Host of the receiver, never the full address."""
    status: Literal["pending", "retrying", "delivered", "failed"]
    attempts: NonNegativeInt
    replays: NonNegativeInt = 0
    """How often it was asked for again. Both numbers only grow: a step is newer where (attempts, replays) is greater."""
    response_status: int | None = None
    error: str | None = None
    elapsed_ms: int | None = None
    """Of the attempt."""
    response_excerpt: str | None = None
    """The beginning of the receiver's answer, told of endpoints alone."""
    next_attempt_at: AwareDatetime | None = None
    changed_at: datetime

    @property
    def aggregate_id(self) -> UUID:
        return self.delivery_id

    @property
    def number(self) -> int | str:
        return f"{self.attempts}.{self.replays}" if self.replays else self.attempts


class WebhookEndpointDisabled(Event):
    """delivery gave a webhook endpoint up: it is told nothing more until its owner enables it again."""

    type: ClassVar[str] = "webhook-endpoint.disabled.v1"
    publisher: ClassVar[str] = "delivery"

    endpoint_id: UUID
    tenant_id: TenantId
    generation: int
    """Which was given up; a newer one is not meant."""
    reason: Literal["gone", "failing"]
    """It answered 410, or for days nothing but failures."""
    disabled_at: AwareDatetime

    @property
    def aggregate_id(self) -> UUID:
        return self.endpoint_id

    @property
    def number(self) -> int:
        return self.generation


class PublicationChanged(Event):
    """The publication of one upload to one account made a step."""

    type: ClassVar[str] = "publication.changed.v1"
    publisher: ClassVar[str] = "delivery"

    publication_id: UUID
    """`contracts.ids.publication_id` of upload and account."""
    upload_id: UploadId
    tenant_id: TenantId
    account_id: UUID
    sequence: Annotated[int, Field(ge=1)]
    """Counts up with each step of one publication; an older one is ignored."""
    status: Literal["scheduled", "dispatching", "retrying", "published", "failed"]
    """The last two are final."""
    external_id: str | None = None
    """What the destination calls it."""
    error_code: str | None = None
    error_message: str | None = None
    attempts: NonNegativeInt = 0
    next_attempt_at: AwareDatetime | None = None
    changed_at: AwareDatetime

    @property
    def aggregate_id(self) -> UUID:
        return self.publication_id

    @property
    def number(self) -> int:
        return self.sequence


EVENTS: tuple[type[Event], ...] = (
    TenantConfigured, UploadRegistered, UploadFinishRequested, UploadAbortRequested, FileDeleteRequested, FileRetentionChanged,
    FetchRequested, WebhookRequested, AccountConfigured, WatchFolderConfigured, PublicationRequested, FetchProgressed,
    FetchCompleted, FetchFailed, WatchedFileFound, ObjectStored, UploadCompleted, UploadRejected, UploadAborted, UploadExpired,
    FetchedUploadClosed, FileExpired, FileDeleted, FileInspected, ProcessingProgressed, StreamStarted, ProcessingCompleted,
    ProcessingFailed, DeliveryChanged, PublicationChanged,
    WebhookEndpointConfigured, WebhookReplayRequested, WebhookPingRequested, WebhookEndpointDisabled,
)  # fmt: skip

EVENT_BY_TYPE: dict[str, type[Event]] = {event.type: event for event in EVENTS}
