"""A YouTube Data API v3 on loopback, with Google's token endpoint: what is not as documented is refused.

https://developers.google.com/youtube/v3/guides/using_resumable_upload_protocol

A session keeps what came in whole quanta of 256 KiB before a connection broke, as Google's servers do. Tests steer it with the
fields of `YouTube`; `serving` of `tests.servers.destination` makes requests fail before they reach it.
"""

import hashlib
import json
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs
from uuid import uuid4

from aiohttp import web

from tests.servers.destination import Destination, serving

QUANTUM_BYTES = 256 * 1024
CLIENT_ID = "123-acme.apps.googleusercontent.test"
CLIENT_SECRET = "client-secret-of-acme"
REFRESH_TOKEN = "1//refresh-token-of-acme"
SCOPES = "https://www.googleapis.com/auth/youtube.upload https://www.googleapis.com/auth/youtube.readonly"
FIELDS = {
    "snippet": {"title", "description", "tags", "categoryId", "defaultLanguage", "defaultAudioLanguage"},
    "status": {"privacyStatus", "license", "embeddable", "publicStatsViewable", "selfDeclaredMadeForKids"},
}


@dataclass
class Session:
    size_bytes: int
    resource: dict[str, Any]
    digest: Any = field(default_factory=hashlib.sha256)
    received_bytes: int = 0
    arrived_bytes: int = 0
    """Those too that came again, or that were not kept."""
    video_id: str | None = None


@dataclass
class Video:
    resource: dict[str, Any]
    size_bytes: int
    sha256: str


@dataclass
class YouTube:
    access_tokens: set[str] = field(default_factory=set)
    """Those that are taken now."""
    scopes: str = SCOPES
    token_seconds: int = 3599
    given_tokens: int = 0
    sessions: dict[str, Session] = field(default_factory=dict)
    videos: dict[str, Video] = field(default_factory=dict)
    keeps: list[int] = field(default_factory=list)
    """Of the next chunks: how many bytes are kept."""
    processing: list[dict[str, Any] | None] = field(default_factory=list)
    """What the next questions about videos hear; None: there is no such video. Afterwards: processed."""

    # ------------------------------------------------------------ tokens

    async def tokens(self, request: web.Request) -> web.StreamResponse:
        body = (await request.read()).decode()
        assert (request.method, request.content_type) == ("POST", "application/x-www-form-urlencoded")
        form = {name: values[0] for name, values in parse_qs(body, strict_parsing=True).items()}
        if form["grant_type"] != "refresh_token":
            return web.json_response({"error": "unsupported_grant_type"}, status=400)
        if (form["client_id"], form["client_secret"]) != (CLIENT_ID, CLIENT_SECRET):
            return web.json_response({"error": "invalid_client", "error_description": "Unauthorized"}, status=401)
        if form["refresh_token"] != REFRESH_TOKEN:
            description = "Token has been expired or revoked."
            return web.json_response({"error": "invalid_grant", "error_description": description}, status=400)
        token = f"ya29.{uuid4().hex}"
        self.access_tokens.add(token)
        self.given_tokens += 1
        told = {"access_token": token, "expires_in": self.token_seconds, "scope": self.scopes, "token_type": "Bearer"}
        return web.json_response(told)

    # ------------------------------------------------------------ API

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Authorization", "").removeprefix("Bearer ") not in self.access_tokens:
            return refusal(401, "authError")
        match request.method, request.path:
            case "POST", "/upload/youtube/v3/videos":
                return await self._start(request)
            case "PUT", "/upload/youtube/v3/videos":
                return await self._put(request)
            case "GET", "/youtube/v3/videos":
                return self._list(request)
        return refusal(404, "notFound")

    async def _start(self, request: web.Request) -> web.StreamResponse:
        query = dict(request.query)
        query.pop("notifySubscribers", None)
        if query != {"uploadType": "resumable", "part": "snippet,status"} or request.content_type != "application/json":
            return refusal(400, "badRequest")
        size, kind = request.headers.get("X-Upload-Content-Length", ""), request.headers.get("X-Upload-Content-Type", "")
        if not size.isdigit() or not re.fullmatch(r"video/.+|application/octet-stream", kind):
            return refusal(400, "badContent")
        resource = await request.json()
        if reason := _fault_in(resource):
            return refusal(400, reason)
        identity = uuid4().hex
        self.sessions[identity] = Session(int(size), resource)
        location = f"{request.url.origin()}/upload/youtube/v3/videos?uploadType=resumable&upload_id={identity}"
        return web.Response(headers={"Location": location})

    async def _put(self, request: web.Request) -> web.StreamResponse:
        session = self.sessions.get(request.query.get("upload_id", ""))
        if session is None:
            return refusal(404, "notFound")
        asked = re.fullmatch(r"bytes (?:\*|([0-9]+)-([0-9]+))/([0-9]+)", request.headers.get("Content-Range", ""))
        if asked is None or int(asked[3]) != session.size_bytes or request.content_length is None:
            return refusal(400, "badRequest")
        if asked[1] is not None and session.video_id is None:
            first, last = int(asked[1]), int(asked[2])
            length = last - first + 1
            is_last = last + 1 == session.size_bytes
            if first != session.received_bytes or length != request.content_length:
                return refusal(400, "badRange")
            if length <= 0 or (not is_last and length % QUANTUM_BYTES):
                return refusal(400, "badChunkSize")
            await self._take(session, request, self.keeps.pop(0) if self.keeps else length)
        elif asked[1] is None and request.content_length:
            return refusal(400, "badRequest")
        return self._answer(session)

    async def _take(self, session: Session, request: web.Request, kept_bytes: int) -> None:
        quantum = bytearray()
        try:
            async for piece in request.content.iter_chunked(2**16):
                session.arrived_bytes += len(piece)
                quantum += piece[:kept_bytes]
                kept_bytes -= len(piece[:kept_bytes])
                if len(quantum) >= QUANTUM_BYTES:
                    self._keep(session, quantum, QUANTUM_BYTES)
        except ConnectionError:
            return
        self._keep(session, quantum, len(quantum))

    def _keep(self, session: Session, quantum: bytearray, size_bytes: int) -> None:
        session.digest.update(quantum[:size_bytes])
        session.received_bytes += size_bytes
        del quantum[:size_bytes]

    def _answer(self, session: Session) -> web.StreamResponse:
        if session.received_bytes < session.size_bytes:
            ranges = {"Range": f"bytes=0-{session.received_bytes - 1}"} if session.received_bytes else {}
            return web.Response(status=308, headers=ranges)
        if session.video_id is None:
            session.video_id = f"vid-{len(self.videos) + 1:07}"
            self.videos[session.video_id] = Video(session.resource, session.size_bytes, session.digest.hexdigest())
        told = {"kind": "youtube#video", "id": session.video_id, "status": {"uploadStatus": "uploaded"}, **session.resource}
        return web.json_response(told, status=201)

    def _list(self, request: web.Request) -> web.StreamResponse:
        if request.query.get("part") != "status,processingDetails" or "id" not in request.query:
            return refusal(400, "missingRequiredParameter")
        told = self.processing.pop(0) if self.processing else {"status": {"uploadStatus": "processed"}}
        found = told is not None and request.query["id"] in self.videos
        items = [{"kind": "youtube#video", "id": request.query["id"], **(told or {})}] if found else []
        return web.json_response({"kind": "youtube#videoListResponse", "items": items})

    # ------------------------------------------------------------ what tests ask and do

    def expire_tokens(self) -> None:
        self.access_tokens.clear()

    def forget_sessions(self) -> None:
        self.sessions.clear()

    @property
    def published(self) -> list[tuple[int, str]]:
        return [(video.size_bytes, video.sha256) for video in self.videos.values()]


def refusal(status: int, reason: str) -> web.Response:
    error = {"code": status, "message": "internal words", "errors": [{"domain": "youtube", "reason": reason}]}
    return web.json_response({"error": error}, status=status)


def reason_body(status: int, reason: str) -> str:
    """For `fails`."""
    return json.dumps({"error": {"code": status, "message": "internal words", "errors": [{"reason": reason}]}})


def settings(**changes: Any) -> dict[str, Any]:
    """Of an account that may publish."""
    return {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "refresh_token": REFRESH_TOKEN} | changes


@asynccontextmanager
async def serving_youtube() -> AsyncIterator[tuple[YouTube, Destination, Destination]]:
    """What it knows, its API, and its token endpoint."""
    youtube = YouTube()
    async with serving(youtube) as api, serving(youtube.tokens) as tokens:
        yield youtube, api, tokens


def _fault_in(resource: Any) -> str | None:
    if set(resource) != set(FIELDS) or any(set(resource[part]) - known for part, known in FIELDS.items()):
        return "invalidVideoMetadata"
    return next((reason for reason, is_good in RULES.items() if not is_good(resource["snippet"], resource["status"])), None)


def _tags_length(tags: list[str]) -> int:
    return len(",".join(f'"{tag}"' if " " in tag else tag for tag in tags))


RULES: dict[str, Callable[[dict[str, Any], dict[str, Any]], bool]] = {
    "invalidTitle": lambda snippet, _: re.fullmatch(r"[^<>\n]{1,100}", snippet["title"]) is not None,
    "invalidDescription": lambda snippet, _: (
        len(snippet.get("description", "").encode()) <= 5000 and not set("<>") & set(snippet.get("description", ""))
    ),
    "invalidTags": lambda snippet, _: _tags_length(snippet.get("tags", [])) <= 500,
    "invalidCategoryId": lambda snippet, _: snippet["categoryId"] in {"1", "10", "22", "27"},
    "invalidPrivacyStatus": lambda _, status: status["privacyStatus"] in {"private", "public", "unlisted"},
}
