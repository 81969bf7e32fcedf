"""The headers that tell a receiver what a webhook is and that it is ours, in each format."""

import hmac
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from standardwebhooks.webhooks import Webhook as Signer

from services.delivery.domain.webhook import Format, Webhook


def headers_of(webhook: Webhook, secret: str | None, at: datetime, traceparent: str | None) -> dict[str, str]:
    """Of the attempt that begins `at`; `secret` None: nothing is signed.

    Raises:
        ValueError: the secret is not of the format's form.
    """
    headers = {"Content-Type": "application/json", "webhook-id": str(webhook.id)}
    if secret is not None:
        headers |= SIGNATURES[webhook.format](webhook, secret, at)
    return headers | ({"traceparent": traceparent} if traceparent else {})


def _standard(webhook: Webhook, secret: str, at: datetime) -> dict[str, str]:
    """https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md. `secret` is `whsec_…`."""
    return {
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Signer(secret).sign(str(webhook.id), at, webhook.body.decode()),
    }


def _uploadcare(webhook: Webhook, secret: str, _at: datetime) -> dict[str, str]:
    """https://uploadcare.com/docs/security/secure-webhooks/: the body alone is signed."""
    return {"X-Uc-Signature": f"v1={hmac.digest(secret.encode(), webhook.body, 'sha256').hex()}"}


SIGNATURES: Final[Mapping[Format, Callable[[Webhook, str, datetime], dict[str, str]]]] = {
    "standard": _standard,
    "uploadcare": _uploadcare,
}
