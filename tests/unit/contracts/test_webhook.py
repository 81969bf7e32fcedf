"""What the formats of webhook endpoints call what they tell."""

from typing import get_args

from contracts.webhook import NAMES, WebhookFormat, WebhookNews, news_named

VENDORS = {
    "file_upload", "file_transcode", "file_trash", "folder_trash", "file_push", "file_qc", "file_approval", "file_comment",
    "file_transcribe",
}  # fmt: skip
"""https://medialab.co/developers/webhooks"""


def test_every_format_names_known_news_and_the_standard_one_all() -> None:
    assert set(NAMES) == set(get_args(WebhookFormat))
    assert set(NAMES["standard"]) == set(get_args(WebhookNews))
    assert all(set(names) <= set(get_args(WebhookNews)) for names in NAMES.values())


def test_medialabs_names_are_the_vendors() -> None:
    assert set(NAMES["medialab"].values()) <= VENDORS


def test_a_name_stands_for_all_that_bear_it() -> None:
    assert news_named("medialab", "file_trash") == ("file.deleted", "file.expired")
    assert news_named("standard", "file.deleted") == ("file.deleted",)
    assert news_named("standard", "file_trash") == ()
