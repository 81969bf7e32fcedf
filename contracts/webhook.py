"""What webhook endpoints are told, and what each format calls it."""

from collections.abc import Mapping
from typing import Final, Literal, TypeAlias, get_args

WebhookNews: TypeAlias = Literal[
    "upload.completed", "upload.rejected", "upload.aborted", "upload.expired", "upload.processed", "upload.processing_failed",
    "file.deleted", "file.expired", "publication.published", "publication.failed",
]  # fmt: skip

WebhookFormat: TypeAlias = Literal["standard", "medialab"]
"""`standard`: {type, timestamp, data}, as https://www.standardwebhooks.com recommends. `medialab`: {signature, id, event,
api_version, data}, as https://medialab.co/developers/webhooks has it. The headers are those of Standard Webhooks in both."""

NAMES: Final[Mapping[WebhookFormat, Mapping[WebhookNews, str]]] = {
    "standard": {news: news for news in get_args(WebhookNews)},
    "medialab": {
        "upload.completed": "file_upload",
        "upload.processed": "file_transcode",
        "upload.processing_failed": "file_transcode",
        "file.deleted": "file_trash",
        "file.expired": "file_trash",
        "publication.published": "file_push",
        "publication.failed": "file_push",
    },
}
"""What has no name in a format is not told in it."""


def news_named(webhook_format: WebhookFormat, name: str) -> tuple[WebhookNews, ...]:
    """All that a format calls `name`; empty where it has no such name."""
    return tuple(news for news, known in NAMES[webhook_format].items() if known == name)
