"""A source: an object in a linked container, of S3 or Azure (`blob:<container id>/<key>`).

Where the container is another bucket of the platform's own store, reached by the very access that the platform has, the store
copies the object itself. An access of somebody else's is never exchanged for the platform's.
"""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from urllib.parse import unquote

from cryptography.fernet import InvalidToken
from pydantic import ValidationError

from contracts.container import CONTAINER, Container, S3Container
from contracts.events import FetchRequested
from libs.egress.download import Download
from libs.media_type.content import UNKNOWN
from libs.object_store.port import ObjectChangedError, ObjectInfo, ObjectNotFoundError
from libs.object_store.s3 import S3Store
from libs.runtime.secret import SecretBox
from services.ingest.adapters.container import object_url
from services.ingest.adapters.source import Answer, Copier, HttpSource
from services.ingest.domain.content_type import declared_type
from services.ingest.domain.error import FetchError


class BlobSource:
    def __init__(self, http: HttpSource, secrets_box: SecretBox, own: S3Store | None) -> None:
        """`own`: the platform's store, where it is one of S3."""
        self._http = http
        self._secrets_box = secrets_box
        self._own = own

    def open(self, request: FetchRequested) -> AbstractAsyncContextManager[Answer]:
        """As `Source.open`; raises FetchError at once where the container cannot be reached at all."""
        container = self._container(request)
        key = unquote(request.source_url.partition("/")[2])
        return self._http.open_url(object_url(container, key), request.max_size_bytes, self._copier(container, key))

    def _copier(self, container: Container, key: str) -> Copier | None:
        own = self._own
        if own is None or not isinstance(container, S3Container):
            return None
        if not own.is_reached_by(container.endpoint, container.access_key, container.secret_key.get_secret_value()):
            return None
        return lambda answered: _copy(own, container.bucket, key, answered)

    def _container(self, request: FetchRequested) -> Container:
        try:
            return CONTAINER.validate_json(self._secrets_box.open(request.container_encrypted or ""))
        except (InvalidToken, ValidationError):
            raise FetchError("fetch_internal", "the container's settings cannot be read") from None


def _copy(own: S3Store, bucket: str, key: str, answered: Download) -> Callable[[str], Awaitable[ObjectInfo]] | None:
    """Of exactly what was answered; None where the answer does not say which version that is or how large, or is encoded."""
    etag = answered.headers.get("ETag", "").strip('"')
    content_type = declared_type(answered.headers.get("Content-Type")) or UNKNOWN
    if not etag or answered.size_bytes is None or answered.is_encoded:
        return None

    async def copy(target: str) -> ObjectInfo:
        try:
            return await own.copy_in(bucket, key, target, match_etag=etag, content_type=content_type)
        except (ObjectChangedError, ObjectNotFoundError):
            raise FetchError("fetch_client_error", "the object was changed meanwhile", may_pass=True) from None

    return copy
