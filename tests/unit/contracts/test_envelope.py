"""An event in its envelope."""

from uuid import UUID

import pytest

from contracts.envelope import EncodedEvent, Envelope
from contracts.events import Event, FileRetentionChanged, UploadExpired
from contracts.ids import TenantId, UploadId

UPLOAD, TENANT = UploadId(UUID(int=1)), TenantId(UUID(int=2))


@pytest.mark.parametrize(
    "event",
    [
        UploadExpired(upload_id=UPLOAD, tenant_id=TENANT, version=3),
        FileRetentionChanged(upload_id=UPLOAD, tenant_id=TENANT, version=1, revision=2, file_expires_at=None),
    ],
)
@pytest.mark.parametrize(
    "cause", [{}, {"causation_id": "cause", "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}]
)
def test_an_encoded_event_is_the_text_of_its_envelope(event: Event, cause: dict[str, str]) -> None:
    encoded = EncodedEvent.of(event, source="test", correlation_id='a "quoted" id', **cause)
    envelope = Envelope.model_validate_json(encoded.body)
    assert (encoded.id, encoded.type) == (envelope.id, envelope.type) == (event.event_id, event.type)
    assert envelope.event() == event
    same_time = Envelope.of(event, source="test", correlation_id='a "quoted" id', **cause).model_copy(
        update={"time": envelope.time}
    )
    assert encoded.body == same_time.encode().body
