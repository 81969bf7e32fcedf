from datetime import UTC, datetime
from typing import Any, get_args
from uuid import UUID

import pytest

from contracts.events import Callback, Rendition
from contracts.ids import TenantId, UploadId
from services.delivery.domain.outcome import Outcome, Upload
from services.delivery.formats import FORMATS

ID = UUID("22222222-2222-4222-8222-222222222222")
VIEW = {
    "id": str(ID),
    "public_url": f"https://uploads.test/public/{ID}.mp4",
    "expires_at": "2026-12-21T12:00:00Z",
    "owner": "org-acme",
    "uploader": "ada",
    "file_type": "video",
    "content_type": "video/mp4",
    "created_at": "2026-11-21T11:59:00Z",
    "renditions_url": f"https://uploads.test/renditions/{ID}/",
}
KEYS = {
    "event", "version", "id", "status", "public_url", "expires_at", "owner", "uploader", "file_type", "content_type", "size",
    "created_at", "updated_at", "error", "renditions",
}  # fmt: skip


def upload(view: dict[str, Any], mime_type: str | None = None, **outcome: Any) -> Upload:
    ended_at = datetime(2026, 11, 21, 12, 0, 0, 987654, tzinfo=UTC)
    return Upload(
        upload_id=UploadId(ID),
        tenant_id=TenantId(ID),
        callback=Callback(url="https://example.com/", format="eachlabs", view=view),
        outcome=Outcome(**{"state": "ready", "version": 5, "ended_at": ended_at} | outcome),
        size_bytes=10,
        mime_type=mime_type,
    )


def test_every_callback_format_has_a_body() -> None:
    assert set(FORMATS) == set(get_args(Callback.model_fields["format"].annotation))


@pytest.mark.parametrize("state", get_args(Outcome.model_fields["state"].annotation))
def test_every_end_has_the_same_fields(state: str) -> None:  # E-06
    body = FORMATS["eachlabs"](upload(VIEW, state=state))
    assert set(body) == KEYS
    assert body["event"] == f"upload.{body['status'].lower()}"
    assert body["updated_at"] == "2026-11-21T12:00:00Z"


def test_the_real_type_is_shown_where_it_is_known() -> None:
    assert FORMATS["eachlabs"](upload(VIEW))["content_type"] == "video/mp4"
    assert FORMATS["eachlabs"](upload(VIEW, mime_type="video/webm"))["content_type"] == "video/webm"


def test_renditions_have_addresses_below_the_upload() -> None:
    master = Rendition(
        name="hls/master.m3u8", kind="hls_playlist", key="k", content_type="application/vnd.apple.mpegurl", size_bytes=1
    )
    (shown,) = FORMATS["eachlabs"](upload(VIEW, renditions=(master,)))["renditions"]
    assert shown == {
        "name": "hls/master.m3u8",
        "kind": "hls_playlist",
        "url": f"https://uploads.test/renditions/{ID}/hls/master.m3u8",
        "content_type": "application/vnd.apple.mpegurl",
        "width": None,
        "height": None,
    }


def test_a_view_from_an_older_gateway_is_shown_with_nulls() -> None:
    body = FORMATS["eachlabs"](upload({}))
    assert set(body) == KEYS
    assert (body["id"], body["public_url"]) == (str(ID), None)
