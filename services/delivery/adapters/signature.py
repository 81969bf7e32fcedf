"""The headers that tell a receiver what a webhook is and that it is ours, in each format."""

import hmac
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Final

import orjson
from standardwebhooks.webhooks import Webhook as Signer

from services.delivery.domain.webhook import Format, Webhook

SIGNERS: Final = 256
"""That are remembered, each with its decoded key."""


def body_of(webhook: Webhook, secrets: Sequence[str]) -> bytes:
    """What is sent: the webhook's body, in medialab's format with its signature filled in.

    That one covers timestamp and token alone, so the headers sign all of the body besides. Of two secrets the older one
    makes it: the bytes stay the same until that one is revoked.
    """
    if webhook.format != "medialab" or not secrets:
        return webhook.body
    body = orjson.loads(webhook.body)
    signature = body["signature"]
    signed = f"{signature['timestamp']}{signature['token']}".encode()
    signature["signature"] = hmac.digest(secrets[-1].encode(), signed, "sha256").hex()
    return orjson.dumps(body)


def headers_of(webhook: Webhook, secrets: Sequence[str], at: datetime, traceparent: str | None) -> dict[str, str]:
    """Of the attempt that begins `at`, the newest of `secrets` first; without secrets nothing is signed.

    Raises:
        ValueError: a secret is not of the format's form.
    """
    headers = {"Content-Type": "application/json", "webhook-id": str(webhook.id)}
    if secrets:
        headers |= SIGNATURES[webhook.format](webhook, secrets, at)
    return headers | ({"traceparent": traceparent} if traceparent else {})


def _standard(webhook: Webhook, secrets: Sequence[str], at: datetime) -> dict[str, str]:
    """https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md. A secret is `whsec_…`."""
    return {
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": " ".join(_signer(secret).sign(str(webhook.id), at, webhook.body.decode()) for secret in secrets),
    }


@lru_cache(SIGNERS)
def _signer(secret: str) -> Signer:
    return Signer(secret)


def _uploadcare(webhook: Webhook, secrets: Sequence[str], _at: datetime) -> dict[str, str]:
    """https://uploadcare.com/docs/security/secure-webhooks/: the body alone is signed."""
    return {"X-Uc-Signature": f"v1={hmac.digest(secrets[0].encode(), webhook.body, 'sha256').hex()}"}


SIGNATURES: Final[Mapping[Format, Callable[[Webhook, Sequence[str], datetime], dict[str, str]]]] = {
    "standard": _standard,
    "uploadcare": _uploadcare,
    "medialab": _standard,
}
