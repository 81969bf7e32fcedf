"""What the common suite has to know of each API: one valid request, and how it says no."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.contract.dialects.conftest import Gateway

TRACE_ID = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class Face:
    name: str
    path: str
    """Of the route that registers an upload by POST."""
    body: Callable[[Gateway], dict[str, Any]]
    text_field: str
    """A required field that takes a string."""
    refusal: Mapping[str, int]
    """`key`, `role` → status."""
    message: Callable[[Mapping[str, Any], int], str]
    """Checks the shape of an error's body and answers its message."""
    methods: tuple[str, ...]
    """Methods that the path has."""
    credentials: Callable[[str], dict[str, str]] = field(default=lambda secret: {"X-API-Key": secret})
    """The headers that a secret of `Gateway.keys` goes into."""
    unknown: str = "Missing or invalid API key"
    """What is said of other secrets."""
    takes_forms: bool = False
    """Bodies need not be JSON."""
    answers_preflights: bool = False


def eachlabs_message(body: Mapping[str, Any], status: int) -> str:
    assert set(body) == {"status", "error", "code", "request_id", "details"}  # E-21
    assert body["status"] == status
    assert TRACE_ID.fullmatch(body["request_id"])
    assert isinstance(body["details"], dict)
    assert re.fullmatch(r"[A-Z_]+", body["code"])
    return str(body["error"])


def json2video_message(body: Mapping[str, Any], _status: int) -> str:
    assert set(body) == {"success", "message"}
    assert body["success"] is False
    return str(body["message"])


def upload24_message(body: Mapping[str, Any], _status: int) -> str:
    assert set(body) == {"error"}
    assert set(body["error"]) == {"code", "message", "details"}
    assert re.fullmatch(r"[a-z_]+", body["error"]["code"])
    assert isinstance(body["error"]["details"], dict)
    return str(body["error"]["message"])


def upload24_body(gateway: Gateway) -> dict[str, Any]:
    return {
        "title": "Spring launch teaser", "accounts": gateway.accounts[:1], "fileName": "video.mp4", "fileSize": 734003200,
        "contentType": "video/mp4",
    }  # fmt: skip


def medialab_message(body: Mapping[str, Any], _status: int) -> str:
    assert set(body) == {"error", "error_description", "user_message"}
    assert re.fullmatch(r"[a-z0-9_]+", body["error"])
    assert body["user_message"]
    return str(body["error_description"])


FACES = (
    Face(
        name="eachlabs",
        path="/api/v1/uploads",
        body=lambda gateway: {"owner": gateway.tenant.org, "uploader": "customer"},
        text_field="owner",
        refusal={"key": 401, "role": 403},
        message=eachlabs_message,
        methods=("POST",),
    ),
    Face(
        name="json2video",
        path="/v2/media/file",
        body=lambda gateway: {"name": "clip.mp4", "contentType": "video/mp4", "size": 3145728},
        text_field="name",
        refusal={"key": 403, "role": 403},
        message=json2video_message,
        methods=("DELETE", "GET", "HEAD", "POST", "PUT"),
    ),
    Face(
        name="medialab",
        path="/api/upload/remote",
        body=lambda _gateway: {"url": "http://93.184.216.34/clip.mp4"},
        text_field="url",
        refusal={"key": 401, "role": 403},
        message=medialab_message,
        methods=("OPTIONS", "POST"),
        credentials=lambda secret: {"Authorization": f"Private-Token {secret}"},
        unknown="Missing or invalid token",
        takes_forms=True,
        answers_preflights=True,
    ),
    Face(
        name="upload24",
        path="/api/upload/presign-put",
        body=upload24_body,
        text_field="title",
        refusal={"key": 401, "role": 403},
        message=upload24_message,
        methods=("POST",),
    ),
)
