"""The MediaLab API as its clients use it: upload ids, files under them, and what the gateway says meanwhile."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any
from uuid import UUID

from aiohttp import ClientResponse, FormData
from yarl import URL

from contracts.events import UploadRegistered
from tests.contract.dialects.conftest import Gateway


@dataclass(frozen=True)
class File:
    content: bytes = b"hello"
    filename: str = "hello.txt"
    content_type: str = "text/plain"
    field: str = "file"


@dataclass
class MediaLab:
    gateway: Gateway
    token: str
    """A private token of an admin."""

    # ------------------------------------------------------------ calls

    async def call(self, method: str, path: str | URL, *, token: str | None = "", **options: Any) -> ClientResponse:
        """`token`: the whole Authorization header; empty: that of an admin; None: none."""
        headers = dict(options.pop("headers", {}))
        if token is not None:
            headers["Authorization"] = token or f"Private-Token {self.token}"
        return await self.gateway.http.request(method, path, headers=headers, **options)

    async def ok(self, method: str, path: str, **options: Any) -> Any:
        response = await self.call(method, path, **options)
        assert response.status == 200, await response.text()
        assert response.headers["Access-Control-Allow-Origin"] == "*"
        return await response.json()

    async def register(self, **settings: Any) -> Any:
        """As the vendor's JavaScript does: JSON."""
        return await self.ok("POST", "/api/upload/id", json=settings)

    async def send(
        self, url: str, *files: File, fields: Sequence[tuple[str, str]] = (), fields_first: bool = False, **options: Any
    ) -> ClientResponse:
        """To an upload URL, as a stranger."""
        form = FormData(quote_fields=False, default_to_multipart=True)
        if fields_first:
            _add_fields(form, fields)
        for file in files:
            form.add_field(file.field, BytesIO(file.content), filename=file.filename, content_type=file.content_type)
        if not fields_first:
            _add_fields(form, fields)
        target = URL(url, encoded=True)
        return await self.call("POST", target.raw_path_qs, **{"token": None, "data": form, **options})

    async def upload(self, url: str, *files: File, **options: Any) -> Any:
        response = await self.send(url, *(files or (File(),)), **options)
        assert response.status == 200, await response.text()
        return await response.json()

    async def finish(self, ulid: str) -> Any:
        return await self.ok("DELETE", f"/api/upload/id/{ulid}")

    async def refused(self, response: ClientResponse, status: int, error: str) -> str:
        """With the vendor's error shape; the description."""
        text = await response.text()
        assert response.status == status, text
        body = await response.json()
        assert set(body) == {"error", "error_description", "user_message"}
        assert body["error"] == error
        assert all(isinstance(words, str) and words for words in body.values())
        assert response.headers["Access-Control-Allow-Origin"] == "*"
        assert "Traceback" not in text
        return str(body["error_description"])

    # ------------------------------------------------------------ credentials

    def private_token(self, role: str) -> str:
        """As it stands in `Authorization`."""
        return f"Private-Token {self.gateway.keys[role]}"

    def access_token(self, **claims: Any) -> str:
        """An OAuth2 one of somebody who may do no more than upload, without the word before it."""
        return self.gateway.token(**{"role": "render", "scope": "upload", **claims})

    # ------------------------------------------------------------ what happens meanwhile

    async def registered(self) -> list[UploadRegistered]:
        return await self.gateway.emitted(UploadRegistered)

    async def staged(self) -> list[str]:
        return await self.gateway.staged()

    async def bytes_of(self, key: str) -> bytes:
        return b"".join([chunk async for chunk in self.gateway.store.read(key)])


def medialab_of(gateway: Gateway) -> MediaLab:
    return MediaLab(gateway, gateway.keys["admin"])


def with_query(url: str, query: Mapping[str, str]) -> str:
    return str(URL(url, encoded=True).extend_query(query))


def _add_fields(form: FormData, fields: Sequence[tuple[str, str]]) -> None:
    for name, value in fields:
        form.add_field(name, value)


def is_uuid(text: str) -> bool:
    return str(UUID(text)) == text
