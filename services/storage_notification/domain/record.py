"""Which objects a notification is about, in the shapes that the stores send.

Only bucket and key are read. Event name, size, ETag and time are a hint at best: MinIO, RustFS and Ceph all were seen to send
wrong ones (empty key, size 0, events for uploads that only began), so the store itself is asked afterwards.

- S3 records (AWS, MinIO, RustFS, Ceph RGW, VersityGW): `{"Records": [{"s3": {"bucket": {"name"}, "object": {"key"}}}]}`, the
  key URL-encoded as in a form (https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html);
- the same inside an SNS message (`Message` is a string of JSON), a list of records, or a single record;
- EventBridge: `{"detail": {"bucket": {"name"}, "object": {"key"}}}`, the key as it is;
- SeaweedFS filer webhook: `{"event_type": "create", "key": "/buckets/<bucket>/<key>"}`, the key as it is.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote_plus

STAGING: Final = "staging/"
MAX_KEY_LENGTH: Final = 1024


@dataclass(frozen=True)
class Parsed:
    keys: tuple[str, ...]
    """Below `staging/`, each once, in order."""
    malformed: int = 0
    skipped: int = 0
    """Of other buckets, other folders, or about something else than a new object."""


class _Malformed(Exception):
    pass


def parse(payload: object, bucket: str | None = None) -> Parsed:
    """Never raises: what cannot be understood is counted. `bucket` None accepts any."""
    keys: dict[str, None] = {}
    malformed = skipped = 0
    for record in _records(payload):
        try:
            key = _key(record, bucket)
        except _Malformed:
            malformed += 1
        else:
            if key is None:
                skipped += 1
            else:
                keys[key] = None
    return Parsed(tuple(keys), malformed, skipped)


def _records(payload: object) -> Iterator[object]:
    if isinstance(payload, list):
        yield from payload
    elif not isinstance(payload, dict):
        yield None
    elif "Records" in payload:
        records = payload["Records"]
        yield from records if isinstance(records, list) else [None]
    elif isinstance(payload.get("Message"), str):
        yield from _inside(payload["Message"])
    elif payload.get("Event") != "s3:TestEvent":
        yield payload


def _inside(message: str) -> Iterator[object]:
    try:
        content = json.loads(message)
    except (ValueError, RecursionError):
        content = None
    # One level only: a message inside a message inside a message is nobody's format.
    if isinstance(content, dict) and "Message" in content:
        content = None
    return _records(content)


def _key(record: object, bucket: str | None) -> str | None:
    """None: not for us."""
    if not isinstance(record, dict):
        raise _Malformed
    if "s3" in record:
        name, key = _bucket_and_key(record["s3"])
        key, event = unquote_plus(key), record.get("eventName", "ObjectCreated")
    elif "detail" in record:
        name, key = _bucket_and_key(record["detail"])
        event = str(record.get("detail-type", "Object Created")).replace(" ", "")
    elif "event_type" in record:
        name, key = _path(record.get("key"))
        event = "ObjectCreated" if record["event_type"] in ("create", "update") else "other"
    else:
        raise _Malformed
    if not key or len(key) > MAX_KEY_LENGTH or "\0" in key or not key.isprintable():
        raise _Malformed
    ours = bucket in (None, name) and key.startswith(STAGING) and "ObjectCreated" in str(event)
    return key if ours else None


def _bucket_and_key(value: object) -> tuple[str, str]:
    bucket, entry = (_mapping(_mapping(value).get(name)) for name in ("bucket", "object"))
    name, key = bucket.get("name"), entry.get("key")
    if not isinstance(name, str) or not isinstance(key, str):
        raise _Malformed
    return name, key


def _path(path: object) -> tuple[str, str]:
    """`/buckets/<bucket>/<key>`"""
    if not isinstance(path, str) or not path.startswith("/buckets/"):
        raise _Malformed
    name, _, key = path.removeprefix("/buckets/").partition("/")
    return name, key


def _mapping(value: object) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise _Malformed
    return value
