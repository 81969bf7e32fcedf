"""What the tests of the Upload24 API share: its calls, what the other services say meanwhile, refusals."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from typing import Any
from uuid import UUID

from aiohttp import ClientResponse, FormData
from yarl import URL

from contracts.events import PublicationChanged, PublicationRequested, UploadRegistered
from contracts.ids import publication_id
from services.gateway.domain.account import parse_id
from services.gateway.jobs import ExpireSubmissions
from tests.contract.dialects.conftest import Gateway, link_accounts

MIB = 2**20
VIDEO = b"\x00\x00\x00\x18ftypmp42" + b"v" * 2000


@dataclass
class Upload24:
    gateway: Gateway

    # ------------------------------------------------------------ calls

    async def send(self, method: str, path: str, *, auth: str = "key", **options: Any) -> ClientResponse:
        """`auth`: `key` (one that a dashboard generates), `bearer`, `none` or `both`."""
        headers = dict(options.pop("headers", {}))
        if auth in ("key", "both"):
            headers["X-Api-Key"] = self.gateway.keys["render"]
        if auth in ("bearer", "both"):
            headers["Authorization"] = f"Bearer {self.gateway.token()}"
        return await self.gateway.http.request(method, path, headers=headers, **options)

    async def post(self, path: str, body: Any, status: int = 200, **options: Any) -> dict[str, Any]:
        response = await self.send("POST", path, json=body, **options)
        assert response.status == status, await response.text()
        answered: dict[str, Any] = await response.json()
        return answered

    async def get(self, path: str, **options: Any) -> dict[str, Any]:
        response = await self.send("GET", path, **options)
        assert response.status == 200, await response.text()
        answered: dict[str, Any] = await response.json()
        return answered

    def body(self, **changes: Any) -> dict[str, Any]:
        """Of a session; a change to None leaves the field out."""
        usual = {
            "title": "Spring launch teaser", "accounts": self.gateway.accounts, "fileName": "video.mp4",
            "fileSize": len(VIDEO), "contentType": "video/mp4",
        }  # fmt: skip
        return {name: value for name, value in {**usual, **changes}.items() if value is not None}

    async def presign(self, **changes: Any) -> dict[str, Any]:
        return await self.post("/api/upload/presign-put", self.body(**changes))

    async def multipart(self, size: int = 11 * MIB, **changes: Any) -> dict[str, Any]:
        return await self.post("/api/upload/multipart", self.body(fileSize=size, partSize=5 * MIB, **changes))

    async def complete(self, token: str, parts: Sequence[dict[str, Any]] = (), status: int = 200) -> dict[str, Any]:
        return await self.post("/api/upload/complete", {"sessionToken": token, "parts": list(parts)}, status)

    async def abort(self, token: str, status: int = 200) -> dict[str, Any]:
        return await self.post("/api/upload/abort", {"sessionToken": token}, status)

    async def resume(self, token: str, status: int = 200) -> dict[str, Any]:
        return await self.post("/api/upload/multipart/resume", {"sessionToken": token}, status)

    async def status(self, upload_id: str) -> dict[str, Any]:
        return await self.get(f"/api/upload/{upload_id}/status")

    async def put(self, url: str, body: bytes, **headers: str) -> tuple[int, str]:
        """To whichever store: status and ETag."""
        target = URL(self.gateway.here(url), encoded=True)
        headers = {"Content-Type": "video/mp4", **headers}
        async with self.gateway.http.session.put(target, data=BytesIO(body), headers=headers) as response:
            return response.status, response.headers.get("ETag", "")

    async def uploaded(self, **changes: Any) -> str:
        """A completed upload of one PUT; its id."""
        session = await self.presign(**changes)
        assert (await self.put(session["uploadUrl"], VIDEO))[0] == 200
        return str((await self.complete(session["sessionToken"]))["uploadId"])

    async def form(
        self,
        fields: Sequence[tuple[str, str]],
        file: bytes | None = VIDEO,
        *,
        name: str = "file",
        filename: str = "video.mp4",
        first: bool = False,
        **options: Any,
    ) -> ClientResponse:
        """`first`: the file precedes the fields."""
        data = FormData(quote_fields=False)
        order = [(name, None), *fields] if first else [*fields, (name, None)]
        for field, value in order:
            if value is not None:
                data.add_field(field, value)
            elif file is not None:
                data.add_field(field, BytesIO(file), filename=filename, content_type="video/mp4")
        return await self.send("POST", "/api/upload", data=data, **options)

    def fields(self, **more: str) -> list[tuple[str, str]]:
        accounts = [("accounts", account) for account in self.gateway.accounts]
        return [("title", "Spring launch teaser"), *accounts, *more.items()]

    # ------------------------------------------------------------ what happens meanwhile

    async def changed(self, upload_id: str, account: str, sequence: int, status: str, **more: Any) -> None:
        """As delivery says it."""
        await self.gateway.handle(self.change(upload_id, account, sequence, status, **more))

    def change(self, upload_id: str, account: str, sequence: int, status: Any, **more: Any) -> PublicationChanged:
        account_id = parse_id(account)
        assert account_id is not None
        return PublicationChanged(
            publication_id=publication_id(UUID(upload_id), account_id), account_id=account_id, sequence=sequence, status=status,
            changed_at=datetime.now(UTC), **self.gateway.about(upload_id), **more,
        )  # fmt: skip

    async def requested(self) -> list[PublicationRequested]:
        return await self.gateway.emitted(PublicationRequested)

    async def registered(self) -> UploadRegistered:
        """What was registered last."""
        found: UploadRegistered = (await self.gateway.emitted(UploadRegistered))[-1]
        return found

    async def expire(self) -> None:
        """Sessions whose time is over."""
        while await ExpireSubmissions(self.gateway.service.outbox, self.gateway.clock).once():
            pass

    # ------------------------------------------------------------ accounts

    async def linked(self, quota_limit: int | None = None, count: int = 1) -> list[str]:
        return await link_accounts(self.gateway.service, self.gateway.tenant.id, count=count, quota_limit=quota_limit)

    async def quota(self, account: str) -> tuple[int, int]:
        """Used and reserved units."""
        response = await self.gateway.call("GET", f"/platform/v1/accounts/{account}")
        view = await response.json()
        return view["quota_used"], view["quota_reserved"]

    # ------------------------------------------------------------ the store

    async def bytes_of(self, key: str) -> bytes:
        return b"".join([chunk async for chunk in self.gateway.store.read(key)])

    async def staged(self) -> list[str]:
        """Keys of everything that lies in staging."""
        return await self.gateway.staged()


async def refused(response: ClientResponse, status: int, code: str) -> dict[str, Any]:
    """The error's details and message."""
    body = await response.json()
    assert (response.status, body["error"]["code"]) == (status, code), body
    assert set(body["error"]) == {"code", "message", "details"}
    return dict(body["error"])


async def together(*calls: Any) -> list[Any]:
    return list(await asyncio.gather(*calls))
