"""A source: an object in a linked container, of S3 or Azure (`blob:<container id>/<key>`)."""

from contextlib import AbstractAsyncContextManager
from urllib.parse import unquote

from cryptography.fernet import InvalidToken
from pydantic import ValidationError

from contracts.container import CONTAINER, Container
from contracts.events import FetchRequested
from libs.runtime.secret import SecretBox
from services.ingest.adapters.container import object_url
from services.ingest.adapters.source import Answer, HttpSource
from services.ingest.domain.error import FetchError


class BlobSource:
    def __init__(self, http: HttpSource, secrets_box: SecretBox) -> None:
        self._http = http
        self._secrets_box = secrets_box

    def open(self, request: FetchRequested) -> AbstractAsyncContextManager[Answer]:
        """As `Source.open`; raises FetchError at once where the container cannot be reached at all."""
        _, _, key = request.source_url.partition("/")
        return self._http.open_url(object_url(self._container(request), unquote(key)), request.max_size_bytes)

    def _container(self, request: FetchRequested) -> Container:
        try:
            return CONTAINER.validate_json(self._secrets_box.open(request.container_encrypted or ""))
        except (InvalidToken, ValidationError):
            raise FetchError("fetch_internal", "the container's settings cannot be read") from None
