"""What a video is called and how it is shown: an upload's words within YouTube's limits.

https://developers.google.com/youtube/v3/docs/videos#properties
"""

import re
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from contracts.account import YouTubeAccount
from contracts.events import JsonObject
from services.delivery.publishing.connectors.port import Entry
from services.delivery.publishing.domain.error import PublishError

MAX_TITLE_CHARACTERS: Final = 100
"""UTF-16 code units, to be on the safe side of what YouTube counts."""
MAX_CUT_CHARACTERS: Final = 20
"""A longer word at the end of a shortened title is not left out but cut."""
MAX_DESCRIPTION_BYTES: Final = 5000
MAX_TAGS_CHARACTERS: Final = 500
"""Of all tags together; YouTube counts a comma between two, and quotes around one with a space."""

_LOOKALIKES: Final = str.maketrans({"<": "‹", ">": "›"})
"""YouTube refuses titles and descriptions with angle brackets."""
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")


class Wishes(BaseModel):
    """`PublicationRequested.youtube`; what else it holds is not YouTube's."""

    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=to_camel, populate_by_name=True)

    description: str | None = None
    tags: tuple[str, ...] = ()
    category_id: Annotated[str, Field(pattern=r"^[0-9]{1,5}$")] | None = None
    default_language: str | None = None
    default_audio_language: str | None = None
    privacy_status: Literal["public", "unlisted", "private"] | None = None
    license: Literal["youtube", "creativeCommon"] | None = None
    embeddable: bool | None = None
    public_stats_viewable: bool | None = None
    self_declared_made_for_kids: bool | None = None
    notify_subscribers: bool | None = None


def wishes_of(entry: Entry) -> Wishes:
    """Raises PublishError."""
    try:
        return Wishes.model_validate(entry.youtube or {})
    except ValidationError as error:
        fields = ", ".join(sorted({str(found["loc"][0]) for found in error.errors() if found["loc"]}))
        message = f"The metadata for YouTube cannot be used: {fields}."
        raise PublishError("destination_metadata_refused", message) from None


def video_resource(entry: Entry, account: YouTubeAccount, wishes: Wishes) -> JsonObject:
    """The body of `videos.insert`. A title that is too long is shortened, and whole in a description that was not given."""
    whole = _clean(" ".join(entry.title.split())) or entry.file_name
    title = _shortened(whole, MAX_TITLE_CHARACTERS)
    given = entry.description or wishes.description or ("" if title == whole else whole)
    snippet = {
        "title": title,
        "description": _clean(given).encode()[:MAX_DESCRIPTION_BYTES].decode(errors="ignore"),
        "tags": _tags(entry.tags or wishes.tags),
        "categoryId": wishes.category_id or account.category_id,
        "defaultLanguage": wishes.default_language,
        "defaultAudioLanguage": wishes.default_audio_language,
    }
    status = {
        "privacyStatus": wishes.privacy_status or account.privacy_status,
        "license": wishes.license,
        "embeddable": wishes.embeddable,
        "publicStatsViewable": wishes.public_stats_viewable,
        "selfDeclaredMadeForKids": wishes.self_declared_made_for_kids,
    }
    return {"snippet": _given(snippet), "status": _given(status)}


def _given(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value not in (None, "", [])}


def _clean(text: str) -> str:
    return _CONTROLS.sub("", text).translate(_LOOKALIKES).strip()


def _shortened(text: str, limit: int) -> str:
    """At a space where there is one near; the ellipsis shows it."""
    if _units(text) <= limit:
        return text
    at_space, _, last_word = _cut(text, limit).rpartition(" ")
    kept = at_space if at_space and len(last_word) <= MAX_CUT_CHARACTERS else _cut(text, limit - 1)
    return kept.rstrip() + "…"


def _cut(text: str, units: int) -> str:
    return text.encode("utf-16-le")[: 2 * units].decode("utf-16-le", errors="ignore")


def _units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def _tags(given: tuple[str, ...]) -> list[str]:
    """As many as fit, in their order."""
    kept: list[str] = []
    left = MAX_TAGS_CHARACTERS
    for tag in dict.fromkeys(_clean(" ".join(re.split(r"[\s,\"]+", tag))) for tag in given):
        cost = _units(tag) + (2 if " " in tag else 0) + (1 if kept else 0)
        if tag and cost <= left:
            kept.append(tag)
            left -= cost
    return kept
