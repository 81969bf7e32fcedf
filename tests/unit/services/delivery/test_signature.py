"""https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md, by its own library."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from standardwebhooks.webhooks import Webhook as Verifier
from standardwebhooks.webhooks import WebhookVerificationError

from contracts.ids import DeliveryId, TenantId, UploadId
from services.delivery.adapters.signature import headers_of
from services.delivery.domain.webhook import Webhook

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
BODY = '{"event":"upload.completed","owner":"Zoë"}'.encode()
ID = UUID("33333333-3333-4333-8333-333333333333")


def webhook(body: bytes = BODY) -> Webhook:
    return Webhook(
        id=DeliveryId(ID),
        upload_id=UploadId(ID),
        tenant_id=TenantId(ID),
        url="https://example.com/",
        receiver="example.com",
        body=body,
        traceparent=None,
    )


def test_a_receiver_verifies_with_the_published_library() -> None:
    headers = headers_of(webhook(), [SECRET], datetime.now(UTC), None)
    assert Verifier(SECRET).verify(BODY, headers)["owner"] == "Zoë"
    assert headers["webhook-id"] == str(ID)
    assert headers["Content-Type"] == "application/json"


def test_the_signature_is_the_specifications() -> None:
    """The library's own known answer, whose id is not a UUID: signed content and base64 by hand."""
    import base64
    import hashlib
    import hmac

    headers = headers_of(webhook(), [SECRET], datetime.fromtimestamp(1614265330, UTC), None)
    content = f"{ID}.1614265330.".encode() + BODY
    digest = hmac.new(base64.b64decode(SECRET.removeprefix("whsec_")), content, hashlib.sha256).digest()
    assert headers["webhook-signature"] == f"v1,{base64.b64encode(digest).decode()}"


@pytest.mark.parametrize("changed", ["body", "webhook-id", "webhook-timestamp", "webhook-signature", "secret"])
def test_whatever_is_changed_on_the_way_is_noticed(changed: str) -> None:
    now = datetime.now(UTC)
    headers = headers_of(webhook(), [SECRET], now, None)
    body = BODY.replace(b"completed", b"failed") if changed == "body" else BODY
    if changed == "webhook-id":
        headers[changed] = str(UUID(int=0))
    if changed == "webhook-timestamp":
        headers[changed] = str(int(now.timestamp()) - 1)
    if changed == "webhook-signature":
        headers[changed] = "v1," + "A" * 43 + "="
    with pytest.raises(WebhookVerificationError):
        Verifier("whsec_" + "A" * 32 if changed == "secret" else SECRET).verify(body, headers)


def test_an_old_signature_is_not_accepted_again() -> None:
    headers = headers_of(webhook(), [SECRET], datetime.now(UTC) - timedelta(minutes=6), None)
    with pytest.raises(WebhookVerificationError):
        Verifier(SECRET).verify(BODY, headers)


def test_the_trace_goes_along() -> None:
    traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    assert headers_of(webhook(), [SECRET], datetime.now(UTC), traceparent)["traceparent"] == traceparent
    assert "traceparent" not in headers_of(webhook(), [SECRET], datetime.now(UTC), None)


def test_uploadcares_signature_is_the_hmac_of_the_body_alone() -> None:
    """`printf '%s' "$BODY" | openssl dgst -sha256 -hmac 7kMVZivndx0ErgvhRKAr`"""
    hook = replace(webhook(b'{"event":"file.uploaded"}'), format="uploadcare")
    headers = headers_of(hook, ["7kMVZivndx0ErgvhRKAr"], datetime.now(UTC), None)
    assert headers == {
        "Content-Type": "application/json",
        "webhook-id": str(ID),
        "X-Uc-Signature": "v1=fbfcc4f919bf60b75cefe7b697378b357ce953cf145f2b3140da632dd72f1629",
    }


def test_a_webhook_without_a_secret_is_not_signed() -> None:
    headers = headers_of(replace(webhook(), format="uploadcare"), [], datetime.now(UTC), None)
    assert set(headers) == {"Content-Type", "webhook-id"}


def test_each_of_two_secrets_signs() -> None:
    other = "whsec_" + "b2xkLXNlY3JldC1vZi10aGUtZW5kcG9pbnQtMzItYnl0"
    headers = headers_of(webhook(), [SECRET, other], datetime.now(UTC), None)
    assert len(headers["webhook-signature"].split(" ")) == 2
    for secret in (SECRET, other):
        assert Verifier(secret).verify(BODY, headers)["owner"] == "Zoë"
    with pytest.raises(WebhookVerificationError):
        Verifier("whsec_" + "bm90LWEtc2VjcmV0LW9mLXRoZS1lbmRwb2ludC0zMi1i").verify(BODY, headers)
