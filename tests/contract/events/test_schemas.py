"""The events are a contract: what is committed about them is what the code says, and old messages stay readable."""

from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest
from jsonschema import Draft202012Validator

from contracts.envelope import Envelope, UnknownEventTypeError
from contracts.events import EVENT_BY_TYPE, EVENTS, Event, ObjectStored, Stage, StoredObject
from contracts.ids import TenantId, UploadId
from deploy.schemas import ROOT, schema_files


@pytest.mark.parametrize(("path", "content"), [pytest.param(p, c, id=p.name) for p, c in schema_files().items()])
def test_the_committed_file_is_what_the_code_says(path: Path, content: str) -> None:
    assert path.read_text(encoding="utf-8") == content, "run `make schemas` and look at the difference"


def test_no_schema_is_left_of_an_event_that_is_gone() -> None:
    assert {p.name for p in (ROOT / "schemas").iterdir()} == {p.name for p in schema_files() if p.parent.name == "schemas"}


@pytest.mark.parametrize("event", EVENTS, ids=lambda e: e.__name__)
def test_an_event_is_named_typed_and_frozen(event: type[Event]) -> None:
    assert event.type.endswith(".v1")
    assert (event.__doc__ or "").strip()
    assert event.model_config["frozen"]
    assert EVENT_BY_TYPE[event.type] is event
    Draft202012Validator.check_schema(event.model_json_schema())


def stored(etag: str = "e1") -> ObjectStored:
    return ObjectStored(
        upload_id=UploadId(uuid4()),
        tenant_id=TenantId(uuid4()),
        version=Stage.STORED,
        object=StoredObject(key="staging/a/b", size_bytes=3, etag=etag, stored_at=datetime.now(UTC)),
        noticed_by="notification",
    )


def test_an_event_survives_its_envelope() -> None:
    event = stored()
    envelope = Envelope.of(event, source="storage_notification", correlation_id="0" * 32)
    assert Envelope.model_validate_json(envelope.model_dump_json()).event() == event


def test_the_same_fact_has_the_same_id_and_another_fact_another() -> None:
    event = stored()
    again = event.model_copy(update={"noticed_by": "reconciler"})
    other = event.model_copy(update={"object": event.object.model_copy(update={"etag": "e2"})})
    assert event.event_id == again.event_id
    assert event.event_id != other.event_id


def test_a_field_of_the_future_is_ignored_and_an_unknown_type_refused() -> None:
    envelope = Envelope.of(stored(), source="x", correlation_id="0" * 32)
    assert envelope.model_copy(update={"data": envelope.data | {"future": 1}}).event()
    with pytest.raises(UnknownEventTypeError):
        envelope.model_copy(update={"type": "no.such.v1"}).event()
