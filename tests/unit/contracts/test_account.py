"""Which settings an account may have."""

from typing import Any

import pytest
from pydantic import ValidationError

from contracts.account import ACCOUNT_SETTINGS, DirectoryAccount, HttpAccount, S3Account, YouTubeAccount

BUCKET = {"endpoint": "https://s3.test", "bucket": "media", "access_key": "key", "secret_key": "s3cret-word"}
CHANNEL = {"client_id": "123.apps.test", "client_secret": "s3cret-word", "refresh_token": "s3cret-word"}
SECRET = "whsec_" + "c2VjcmV0LW9mLXRoZS10ZXN0LWFjY291bnQtMzItYnl0ZXM="

GOOD: list[tuple[str, dict[str, Any]]] = [
    ("directory", {"path": "acme/inbox"}),
    ("directory", {"path": "/mnt/acme", "name": "{upload_id} {file_name}"}),
    ("http", {"url": "https://acme.test/{publication_id}/{file_name}?x=1", "headers": {"Authorization": "Bearer x"}}),
    ("http", {"url": " https://acme.test/my folder/{file_name}\n"}),
    ("http", {"url": "http://acme.test/", "method": "POST", "field": "media"}),
    ("s3", BUCKET),
    ("s3", {**BUCKET, "endpoint": "http://s3.test:9000/", "key": "a/b-{publication_id}.{file_name}"}),
    ("webhook", {"url": "https://acme.test/hook", "secret": SECRET, "link_seconds": 60}),
    ("youtube", CHANNEL),
    ("youtube", {**CHANNEL, "privacy_status": "unlisted", "category_id": "10"}),
]

BAD: list[tuple[str, dict[str, Any]]] = [
    ("directory", {}),
    ("directory", {"path": ""}),
    ("directory", {"path": "a\0b"}),
    ("directory", {"path": "a", "name": "{file_name}"}),
    ("directory", {"path": "a", "name": "../{publication_id}"}),
    ("directory", {"path": "a", "name": "x/{publication_id}"}),
    ("directory", {"path": "a", "name": "{publication_id}{publication_id}"}),
    ("directory", {"path": "a", "name": "{publication_id}{title}"}),
    ("directory", {"path": "a", "name": "{publication_id"}),
    ("directory", {"path": "a", "other": 1}),
    ("http", {"url": "ftp://acme.test/"}),
    ("http", {"url": "https://acme.test/{nothing}"}),
    ("http", {"url": "https://acme.test/a\nx"}),
    ("http", {"url": "https:// acme.test/"}),
    ("http", {"url": "https://acme.test/", "method": "DELETE"}),
    ("http", {"url": "https://acme.test/", "headers": {"X": "a\r\nY: b"}}),
    ("http", {"url": "https://acme.test/", "headers": {"X Y": "a"}}),
    ("http", {"url": "https://acme.test/", "headers": {"Host": "elsewhere"}}),
    ("http", {"url": "https://acme.test/", "headers": {"content-length": "1"}}),
    ("http", {"url": "https://acme.test/", "headers": {f"X-{number}": "" for number in range(21)}}),
    ("s3", {**BUCKET, "endpoint": "https://user:word@s3.test"}),
    ("s3", {**BUCKET, "endpoint": "https://s3.test/path"}),
    ("s3", {**BUCKET, "bucket": "a/b"}),
    ("s3", {**BUCKET, "region": "x y"}),
    ("s3", {**BUCKET, "key": "../{publication_id}"}),
    ("s3", {**BUCKET, "key": "{file_name}"}),
    ("s3", {**BUCKET, "key": "/{publication_id}"}),
    ("webhook", {"url": "https://acme.test/", "secret": "word"}),
    ("webhook", {"url": "https://acme.test/", "secret": SECRET, "link_seconds": 8 * 86400}),
    ("youtube", {**CHANNEL, "client_id": "a b"}),
    ("youtube", {**CHANNEL, "client_secret": ""}),
    ("youtube", {**CHANNEL, "refresh_token": ""}),
    ("youtube", {**CHANNEL, "privacy_status": "hidden"}),
    ("youtube", {**CHANNEL, "category_id": "music"}),
    ("youtube", {**CHANNEL, "api_url": "https://acme.test"}),
]


@pytest.mark.parametrize(("kind", "settings"), GOOD)
def test_settings_that_a_connector_can_use(kind: str, settings: dict[str, Any]) -> None:
    ACCOUNT_SETTINGS[kind].model_validate(settings)


@pytest.mark.parametrize(("kind", "settings"), BAD)
def test_settings_that_no_connector_can_use(kind: str, settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ACCOUNT_SETTINGS[kind].model_validate(settings)


def test_no_secret_is_shown() -> None:
    given = {"url": "https://acme.test/", "headers": {"Authorization": "s3cret-word"}}
    shown = "".join(
        map(
            repr,
            (S3Account.model_validate(BUCKET), HttpAccount.model_validate(given), YouTubeAccount.model_validate(CHANNEL)),
        )
    )
    assert "s3cret-word" not in shown
    with pytest.raises(ValidationError) as caught:
        S3Account.model_validate({**BUCKET, "secret_key": ["s3cret-word"]})
    assert "s3cret-word" not in str(caught.value)


def test_names_are_distinct_by_default() -> None:
    assert "{publication_id}" in DirectoryAccount(path="a").name
