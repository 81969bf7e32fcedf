"""Who asks: the project's keys, simple or as the signature of a request.

https://uploadcare.com/docs/api/rest/authentication/. The date is signed as it was sent: pyuploadcare writes one with a second
comma, which no RFC knows, and browsers cannot set `Date` at all, for which there is `X-Uploadcare-Date`.
"""

import hashlib
import hmac
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

from aiohttp import web

from libs.web.request import read_body
from services.gateway.deps import Deps
from services.gateway.dialects.uploadcare.project import check_status, take_token
from services.gateway.dialects.uploadcare.rest.errors import (
    CONTENT_TYPE,
    NotAcceptableError,
    NotAuthenticatedError,
)
from services.gateway.domain.project import Project

MAX_BODY_BYTES: Final = 64 * 1024
MAX_OFFSET: Final = timedelta(minutes=15)
SIMPLE: Final = "uploadcare.simple"
SIGNED: Final = "uploadcare"


@dataclass(frozen=True)
class Call:
    """An admitted request."""

    project: Project
    body: bytes


class Gate:
    def __init__(self, deps: Deps) -> None:
        self._deps = deps

    async def admit(self, request: web.Request) -> Call:
        """Reads the body, which is signed too: at most 64 KiB.

        Raises NotAcceptableError, NotAuthenticatedError, UploadcareError for the project's state and rate, or what `read_body`
        raises.
        """
        if CONTENT_TYPE not in request.headers.get("Accept", ""):
            raise NotAcceptableError("Invalid version header `Accept` for this endpoint.")
        scheme, public_key, proof = _credentials(request.headers.get("Authorization", ""))
        project = await self._deps.projects.find(public_key)
        if project is None:
            raise NotAuthenticatedError("Public key not found.")
        body = await read_body(request, MAX_BODY_BYTES)
        secret = self._deps.projects.secret_key(project)
        if scheme == SIMPLE:
            _check(proof, secret, "Secret key not found.")
        else:
            date = request.headers.get("X-Uploadcare-Date", request.headers.get("Date", ""))
            _check_date(date, self._deps.clock())
            _check(proof, signature(request, body, date, secret), "Invalid signature. Please check your Secret key.")
        check_status(project)
        await take_token(self._deps, project)
        return Call(project, body)


def signature(request: web.Request, body: bytes, date: str, secret: str) -> str:
    """Hexadecimal HMAC-SHA1 of method, body's MD5, Content-Type, date and path with query, each on a line."""
    content_md5 = hashlib.md5(body, usedforsecurity=False).hexdigest()
    lines = (request.method, content_md5, request.headers.get("Content-Type", ""), date, request.raw_path)
    return hmac.new(secret.encode(), "\n".join(lines).encode("utf-8", "surrogateescape"), hashlib.sha1).hexdigest()


def _credentials(header: str) -> tuple[str, str, str]:
    """Scheme in lower case, public key, and secret key or signature."""
    if not header:
        raise NotAuthenticatedError("Authentication credentials were not provided.")
    scheme, _, parameter = header.partition(" ")
    public_key, colon, proof = parameter.strip().partition(":")
    if scheme.lower() not in (SIMPLE, SIGNED) or not colon or not public_key.isascii():
        raise NotAuthenticatedError("Incorrect authentication credentials.")
    return scheme.lower(), public_key, proof


def _check(given: str, expected: str, refusal: str) -> None:
    if not hmac.compare_digest(given.encode("utf-8", "surrogateescape"), expected.encode()):
        raise NotAuthenticatedError(refusal)


def _check_date(text: str, now: datetime) -> None:
    try:
        date = parsedate_to_datetime(text.replace(",", " "))
    except (ValueError, OverflowError):
        raise NotAuthenticatedError("The `Date` header is missing or malformed.") from None
    if abs(date.replace(tzinfo=date.tzinfo or UTC) - now) > MAX_OFFSET:
        raise NotAuthenticatedError("The `Date` header is more than 15 minutes away from the server's time.")
