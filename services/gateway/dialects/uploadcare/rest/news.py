"""The bodies of webhooks: https://uploadcare.com/docs/webhooks/."""

from typing import Any

import orjson

from services.gateway.dialects.uploadcare.rest.translate import file_url, project_number, timestamp, to_view
from services.gateway.domain.upload import Upload
from services.gateway.domain.webhook import Hook, News
from services.gateway.usecases.news import Announcer, Occasion


def announcer(base_url: str) -> Announcer:
    """Tells projects' webhooks in this API's words; `base_url` is where clients reach it, without a slash at its end."""
    return Announcer(lambda upload, hook, occasion: body(upload, hook, occasion, base_url))


def body(upload: Upload, hook: Hook, occasion: Occasion, base_url: str) -> str:
    news = {
        "initiator": {
            "type": occasion.initiator,
            "detail": {"request_id": occasion.request_id, "addon_name": None, "source_file_uuid": None},
        },
        "hook": {
            "id": hook.id,
            "project_id": project_number(hook.project_id),
            "project_pub_key": hook.public_key,
            "target": hook.target_url,
            "event": hook.event.value,
            "is_active": hook.is_active,
            "version": "0.7",
            "created_at": timestamp(hook.created_at),
            "updated_at": timestamp(hook.updated_at),
        },
        "data": {**to_view(upload, base_url).model_dump(mode="json"), **_findings(upload, hook)},
        "file": file_url(upload, base_url),
    }
    if occasion.previous_values is not None:
        news["previous_values"] = occasion.previous_values
    return orjson.dumps(news).decode()


def _findings(upload: Upload, hook: Hook) -> dict[str, Any]:
    """What `file.infected` tells beside the file: the name of the virus, where the API has it."""
    if hook.event is not News.INFECTED:
        return {}
    found_at = timestamp(upload.updated_at)
    data = {"infected": True, "infected_with": upload.error_message}
    return {"appdata": {"uc_clamav_virus_scan": {"data": data, "datetime_created": found_at, "datetime_updated": found_at}}}
