"""Notifications in the shapes that real stores send."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.storage_notification.domain.record import parse

KEY = "staging/5f0c/to-ken_1"

AWS = {
    "Records": [
        {
            "eventVersion": "2.3",
            "eventSource": "aws:s3",
            "awsRegion": "eu-central-1",
            "eventTime": "2026-11-20T10:00:00.000Z",
            "eventName": "ObjectCreated:Put",
            "s3": {
                "s3SchemaVersion": "1.0",
                "configurationId": "longshore",
                "bucket": {"name": "uploads", "arn": "arn:aws:s3:::uploads"},
                "object": {"key": "staging/5f0c/to-ken_1", "size": 5, "eTag": "d41d", "sequencer": "0055AED6DCD90281E5"},
            },
        }
    ]
}
MINIO = {
    "EventName": "s3:ObjectCreated:Put",
    "Key": "uploads/staging/5f0c/to-ken_1",
    "Records": [
        {
            "eventName": "s3:ObjectCreated:Put",
            "s3": {
                "bucket": {"name": "uploads", "ownerIdentity": {"principalId": "minio"}},
                "object": {"key": "staging%2F5f0c%2Fto-ken_1", "size": 5, "contentType": "image/png"},
            },
            "source": {"host": "10.0.0.1"},
        }
    ],
}
CEPH = {
    "Records": [
        {
            "eventName": "ObjectCreated:CompleteMultipartUpload",
            "s3": {"bucket": {"name": "uploads", "id": "x"}, "object": {"key": KEY, "size": 0, "etag": "", "metadata": []}},
            "eventId": "1",
        }
    ]
}
RUSTFS_SINGLE = MINIO["Records"][0]
SNS = {"Type": "Notification", "TopicArn": "arn:aws:sns:eu:1:uploads", "Message": json.dumps(AWS)}
EVENTBRIDGE = {
    "detail-type": "Object Created",
    "source": "aws.s3",
    "detail": {"bucket": {"name": "uploads"}, "object": {"key": KEY, "size": 5, "etag": "d41d"}, "reason": "PutObject"},
}
SEAWEEDFS = {"key": f"/buckets/uploads/{KEY}", "event_type": "create", "message": {"new_entry": {"name": "to-ken_1"}}}


@pytest.mark.parametrize(
    "payload",
    [AWS, MINIO, CEPH, RUSTFS_SINGLE, SNS, EVENTBRIDGE, SEAWEEDFS, AWS["Records"]],
    ids=["aws", "minio", "ceph", "rustfs-single", "sns", "eventbridge", "seaweedfs", "list"],
)
def test_every_store_s_shape_leads_to_the_key(payload: object) -> None:
    parsed = parse(payload, "uploads")
    assert (parsed.keys, parsed.malformed, parsed.skipped) == ((KEY,), 0, 0)


def test_keys_are_decoded_as_in_a_form() -> None:
    record = {"s3": {"bucket": {"name": "b"}, "object": {"key": "staging/a+b/%C3%BC%2Bx"}}}
    assert parse({"Records": [record]}).keys == ("staging/a b/ü+x",)


def test_a_key_named_twice_is_looked_at_once() -> None:
    assert parse(AWS["Records"] * 3).keys == (KEY,)


@pytest.mark.parametrize(
    "record",
    [
        {"eventName": "s3:ObjectRemoved:Delete", "s3": {"bucket": {"name": "uploads"}, "object": {"key": KEY}}},
        {"eventName": "ObjectCreated:Put", "s3": {"bucket": {"name": "other"}, "object": {"key": KEY}}},
        {"eventName": "ObjectCreated:Put", "s3": {"bucket": {"name": "uploads"}, "object": {"key": "files/x/original"}}},
        {"detail-type": "Object Deleted", "detail": {"bucket": {"name": "uploads"}, "object": {"key": KEY}}},
        {"event_type": "delete", "key": f"/buckets/uploads/{KEY}"},
    ],
)
def test_what_is_not_about_a_new_staged_object_is_skipped(record: object) -> None:
    parsed = parse({"Records": [record]}, "uploads")
    assert (parsed.keys, parsed.malformed, parsed.skipped) == ((), 0, 1)


@pytest.mark.parametrize(
    "record",
    [
        None,
        7,
        "text",
        [],
        {},
        {"s3": {}},
        {"s3": {"bucket": {"name": "uploads"}, "object": {}}},
        {"s3": {"bucket": {"name": "uploads"}, "object": {"key": ""}}},
        {"s3": {"bucket": {"name": "uploads"}, "object": {"key": "staging/%00"}}},
        {"s3": {"bucket": {"name": "uploads"}, "object": {"key": "staging/" + "x" * 2000}}},
        {"s3": {"bucket": {"name": "uploads"}, "object": {"key": 5}}},
        {"s3": {"bucket": "uploads", "object": {"key": KEY}}},
        {"event_type": "create", "key": "elsewhere"},
        {"event_type": "create"},
    ],
)
def test_a_malformed_record_is_counted_and_harms_no_other(record: object) -> None:
    parsed = parse({"Records": [record, *AWS["Records"]]}, "uploads")
    assert (parsed.keys, parsed.malformed) == ((KEY,), 1)


def test_a_store_s_test_event_is_nothing() -> None:
    parsed = parse({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "uploads"})
    assert (parsed.keys, parsed.malformed, parsed.skipped) == ((), 0, 0)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["Records", "s3", "bucket", "object", "name", "key", "detail", "Message", "event_type", "eventName"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@given(JSON)
def test_no_payload_whatever_raises(payload: object) -> None:
    parse(payload, "uploads")


@given(st.text())
def test_no_message_in_a_message_raises(message: str) -> None:
    parse({"Message": message})
