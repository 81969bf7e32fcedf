"""The projects of a platform that the clients upload to."""

import hashlib
import hmac
import time
from dataclasses import dataclass
from typing import Any

import aiohttp

from tests.e2e.platform import Credentials


@dataclass(frozen=True)
class Project:
    """`base_url` is the Upload API's, the REST API's and the CDN's."""

    base_url: str
    public_key: str
    secret_key: str

    def served_at(self, path: str) -> str:
        """`path` is a file's or a group's id, with what may follow."""
        return f"{self.base_url}/{path}/"

    def signature(self) -> dict[str, Any]:
        """What a site's own server gives its pages (U-12), in the JavaScript clients' words."""
        expire = str(int(time.time()) + 600)
        signed = hmac.new(self.secret_key.encode(), expire.encode(), hashlib.sha256)
        return {"secureSignature": signed.hexdigest(), "secureExpire": expire}


def first_project(credentials: Credentials) -> Project:
    return Project(credentials.base_url, credentials.public_key, credentials.secret_key)


async def create_project(credentials: Credentials, **settings: Any) -> Project:
    url, headers = f"{credentials.base_url}/platform/v1/projects", {"Authorization": f"Bearer {credentials.admin_token}"}
    async with aiohttp.ClientSession() as http, http.post(url, json=settings, headers=headers) as answer:
        assert answer.status == 201, await answer.text()
        created = await answer.json()
    return Project(credentials.base_url, created["public_key"], created["secret_key"])
