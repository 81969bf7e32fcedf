"""One published file under each kind of address."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal, get_args
from uuid import uuid4

from libs.web.signed_link import PURPOSE, LinkSigner
from services.gateway.domain.registration import Registration
from tests.integration.services.gateway.cdn.picture import encoded, halves

if TYPE_CHECKING:
    from tests.integration.services.gateway.faces.conftest import Gateway

Kind = Literal["public", "named", "rendition", "segment", "download", "cdn", "cdn_named", "image", "group", "group_image"]
KINDS: tuple[Kind, ...] = get_args(Kind)
NEVER_CHANGES: frozenset[Kind] = frozenset({"rendition", "segment", "image", "group_image"})
PHOTO = encoded(halves((64, 64)), "PNG")
LINK_SECONDS = 300


@dataclass(frozen=True)
class Address:
    new: Registration
    path: str
    body: bytes | None
    """None where it is an image that the gateway makes."""


async def published(gateway: "Gateway", kind: Kind, body: bytes = PHOTO, *, file_expires_at: datetime | None = None) -> Address:
    tenant = await gateway.tenant(uuid4().hex)
    options: dict[str, Any] = {"content_type": "image/png", "file_expires_at": file_expires_at}
    if kind in ("public", "rendition", "segment"):
        new = await gateway.published(tenant, body, **options)
        if kind == "public":
            return Address(new, f"/public/{new.id}.png", body)
        name = {"rendition": "thumbnail.jpg", "segment": "hls/720p/00001.ts"}[kind]
        await gateway.store.write(f"files/{new.id}/renditions/{name}", stream(body), content_type="image/jpeg")
        return Address(new, f"/renditions/{new.id}/{name}", body)
    if kind in ("named", "download"):
        new = await gateway.published(tenant, body, dialect="json2video", folder="a/b", name="c.png", **options)
        links = LinkSigner("", gateway.secrets_box.derived(PURPOSE))
        link = links.url(new.id, datetime.now(UTC) + timedelta(seconds=LINK_SECONDS))
        return Address(new, link if kind == "download" else f"/{tenant.client_id}/files/a/b/c.png", body)
    new = await gateway.published(tenant, body, dialect="uploadcare", **options)
    group = await _group_of(gateway, new) if kind.startswith("group") else None
    path = {
        "cdn": f"/{new.id}/",
        "cdn_named": f"/{new.id}/other.png",
        "image": f"/{new.id}/-/resize/32x/",
        "group": f"/{group}~1/nth/0/",
        "group_image": f"/{group}~1/nth/0/-/resize/32x/",
    }[kind]
    return Address(new, path, None if kind in NEVER_CHANGES else body)


async def _group_of(gateway: "Gateway", new: Registration) -> str:
    group = uuid4()
    async with gateway.outbox.database.transaction() as connection:
        await connection.execute("INSERT INTO groups VALUES ($1, $2, now())", group, uuid4())
        await connection.execute("INSERT INTO group_files VALUES ($1, 0, $2, '')", group, new.id)
    return str(group)


async def stream(body: bytes) -> AsyncIterator[bytes]:
    yield body
