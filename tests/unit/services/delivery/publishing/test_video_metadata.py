"""An upload's words within YouTube's limits."""

from typing import Any

import pytest

from contracts.account import YouTubeAccount
from contracts.events import JsonObject
from services.delivery.publishing.connectors.youtube.metadata import video_resource, wishes_of
from services.delivery.publishing.domain.error import PublishError
from tests.contract.connectors.given import an_entry
from tests.servers.youtube import settings

ACCOUNT = YouTubeAccount.model_validate(settings())


def snippet(**changes: Any) -> JsonObject:
    entry = an_entry(**changes)
    made: JsonObject = video_resource(entry, ACCOUNT, wishes_of(entry))["snippet"]
    return made


def test_a_title_that_fits_stays_as_it_is() -> None:
    made = snippet(title="x" * 100, description=None)
    assert made["title"] == "x" * 100
    assert "description" not in made


def test_a_title_that_is_too_long_is_shortened_at_a_space_and_whole_in_the_description() -> None:
    title = ("word " * 440).strip()
    made = snippet(title=title, description=None)
    assert made["title"] == "word " * 19 + "word…"
    assert made["description"] == title


def test_a_description_that_was_given_stays() -> None:
    assert snippet(title="x" * 2200, description="At the sea")["description"] == "At the sea"
    youtube = {"description": "By the client", "tags": ["a"]}
    assert snippet(description=None, tags=(), youtube=youtube)["description"] == "By the client"
    assert snippet(description=None, tags=(), youtube=youtube)["tags"] == ["a"]


@pytest.mark.parametrize("title", ["x" * 101, "𝄞" * 2200, "𝄞" * 51, "日本" * 51])
def test_a_shortened_title_is_whole_characters_within_the_limit(title: str) -> None:
    made = snippet(title=title)["title"]
    assert len(made.encode("utf-16-le")) <= 200
    assert made.endswith("…")
    assert title.startswith(made[:-1])


def test_angle_brackets_and_controls_do_not_reach_youtube() -> None:
    made = snippet(title="a\n<b>\x00c", description="<i>\n\x07")
    assert (made["title"], made["description"]) == ("a ‹b›c", "‹i›")


def test_a_title_of_nothing_visible_becomes_the_file_name() -> None:
    assert snippet(title="\x01")["title"] == "summer holiday.mp4"


def test_a_description_is_cut_at_5000_bytes() -> None:
    made = snippet(description="ü" * 5000)["description"]
    assert made == "ü" * 2500


def test_tags_are_kept_as_long_as_they_fit() -> None:
    assert snippet(tags=("a,b", "a b", "<x>", ""))["tags"] == ["a b", "‹x›"]
    kept = snippet(tags=tuple(f"tag {number:03}" for number in range(100)))["tags"]
    assert len(",".join(f'"{tag}"' for tag in kept)) <= 500
    assert len(kept) == 50


def test_metadata_of_the_wrong_kind_is_refused() -> None:
    with pytest.raises(PublishError) as caught:
        wishes_of(an_entry(youtube={"categoryId": "music", "license": "mine", "unknown": 1}))
    assert caught.value.code == "destination_metadata_refused"
    assert str(caught.value) == "The metadata for YouTube cannot be used: categoryId, license."
