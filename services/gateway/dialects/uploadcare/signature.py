"""Signed uploads: a signature, or an access token in the `Authorization` header (U-12).

The signature is the hexadecimal HMAC-SHA256 of `expire` (Unix seconds, as it was sent) under the project's secret key. Only
projects that require it look at it at all: others accept whatever clients send, as the real service does. Where both are there
the signature counts.
"""

import hmac
import re
from datetime import datetime
from hashlib import sha256
from typing import Final

from aiohttp import web

from services.gateway.deps import Deps
from services.gateway.dialects.uploadcare.access_token import bearer_token, use_token
from services.gateway.dialects.uploadcare.errors import UploadcareError
from services.gateway.dialects.uploadcare.params import Params
from services.gateway.domain.project import Project

_SECONDS: Final = re.compile(r"[0-9]{1,10}")
"""Eleven digits and more are milliseconds."""


async def authorize(deps: Deps, request: web.Request, params: Params, project: Project, *, files: int) -> None:
    """For an upload of so many files. Raises UploadcareError."""
    if not project.signed_uploads:
        return
    signature, token = params.filled("signature"), bearer_token(request)
    if signature is None and token is not None:
        await use_token(deps, request, project, token, files=files)
    else:
        _check(signature, params.filled("expire"), deps.projects.secret_key(project), deps.clock())


def check_signature(deps: Deps, params: Params, project: Project) -> None:
    """Of a request of which more may come: the rest of what `authorize` asks for may follow. Raises UploadcareError."""
    signature, expire = params.filled("signature"), params.filled("expire")
    if project.signed_uploads and signature is not None and expire is not None:
        _check(signature, expire, deps.projects.secret_key(project), deps.clock())


def sign(secret_key: str, expire: str) -> str:
    return hmac.new(secret_key.encode(), expire.encode(), sha256).hexdigest()


def _check(signature: str | None, expire: str | None, secret_key: str, now: datetime) -> None:
    if signature is None:
        raise UploadcareError("SignatureRequiredError")
    if expire is None:
        raise UploadcareError("SignatureExpirationRequiredError")
    if _SECONDS.fullmatch(expire) is None:
        raise UploadcareError("SignatureExpirationInvalidError")
    if not hmac.compare_digest(signature.lower().encode(), sign(secret_key, expire).encode()):
        raise UploadcareError("SignatureInvalidError")
    if int(expire) <= now.timestamp():
        raise UploadcareError("SignatureExpirationError")
