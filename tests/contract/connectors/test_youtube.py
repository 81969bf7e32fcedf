"""The YouTube connector and the documented protocol: sessions, ranges, tokens, errors, processing. T-23, T-24."""

import hashlib
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web

from libs.object_store.disk import DiskStore
from services.delivery.publishing.connectors.port import Entry, File
from services.delivery.publishing.connectors.youtube.processing import Patience
from services.delivery.publishing.domain.error import PublishError
from services.delivery.publishing.domain.outcome import Published
from tests.contract.connectors.given import MIB, Notes, an_entry, stored
from tests.contract.connectors.places import YouTubePlace, youtube_place
from tests.servers.destination import Fault, Serve, cuts, fails, forgets_to_answer, passes
from tests.servers.youtube import QUANTUM_BYTES, reason_body

LARGE = b"".join(bytes([number]) * MIB for number in range(12))
"""Two chunks of 5 MiB and one of 2 MiB."""
LAST = [passes] * 3
"""Before the last chunk: the session, two chunks."""


@pytest_asyncio.fixture
async def place() -> AsyncIterator[YouTubePlace]:
    async with youtube_place() as opened:
        yield opened


@pytest_asyncio.fixture
async def file(store: DiskStore) -> File:
    return await stored(store, LARGE)


async def failure(place: YouTubePlace, entry: Entry, file: File, notes: Notes) -> PublishError:
    with pytest.raises(PublishError) as caught:
        await place.connector().publish(entry, file, notes)
    return caught.value


def published_once(place: YouTubePlace) -> bool:
    return place.channel.published == [(len(LARGE), hashlib.sha256(LARGE).hexdigest())]


def methods(place: YouTubePlace, start: int = 0) -> list[str]:
    return [method for method, _path in place.destination.requests[start:]]


def hears(headers: list[str]) -> Fault:
    """Notes the Content-Range of a request."""

    async def notes(request: web.Request, serve: Serve) -> web.StreamResponse:
        headers.append(request.headers.get("Content-Range", ""))
        return await serve(request)

    return notes


# ---------------------------------------------------------------- the video


async def test_title_and_metadata_arrive(place: YouTubePlace, file: File) -> None:
    youtube = {
        "categoryId": "27", "defaultLanguage": "en", "defaultAudioLanguage": "en-US", "privacyStatus": "unlisted",
        "selfDeclaredMadeForKids": False, "notifySubscribers": False,
    }  # fmt: skip
    await place.connector().publish(an_entry(youtube=youtube), file, Notes())
    [video] = place.channel.videos.values()
    assert video.resource == {
        "snippet": {
            "title": "Summer", "description": "At the sea", "tags": ["sea", "sun"], "categoryId": "27",
            "defaultLanguage": "en", "defaultAudioLanguage": "en-US",
        },
        "status": {"privacyStatus": "unlisted", "selfDeclaredMadeForKids": False},
    }  # fmt: skip
    assert "notifySubscribers=false" in place.destination.requests[0][1]


async def test_what_the_upload_does_not_say_the_account_does(place: YouTubePlace, file: File) -> None:
    await place.connector(privacy_status="private", category_id="10").publish(an_entry(), file, Notes())
    [video] = place.channel.videos.values()
    assert video.resource["snippet"]["categoryId"] == "10"
    assert video.resource["status"] == {"privacyStatus": "private"}


async def test_words_beyond_youtubes_limits_are_made_to_fit(place: YouTubePlace, file: File) -> None:
    entry = an_entry(title="<b>𝄞 long " * 220, description="ü<>" * 5000, tags=("a b, c",) * 3 + tuple(map(str, range(400))))
    await place.connector().publish(entry, file, Notes())
    assert published_once(place)


# ---------------------------------------------------------------- chunks and ranges


async def test_chunks_are_multiples_of_256_kib_in_their_order(place: YouTubePlace, file: File) -> None:
    ranges: list[str] = []
    place.destination.next_requests(*[hears(ranges)] * 4)
    await place.connector().publish(an_entry(), file, Notes())
    assert ranges == ["", "bytes 0-5242879/12582912", "bytes 5242880-10485759/12582912", "bytes 10485760-12582911/12582912"]


async def test_a_chunk_that_is_kept_in_part_goes_on_from_there(place: YouTubePlace, file: File) -> None:
    ranges: list[str] = []
    place.channel.keeps = [QUANTUM_BYTES, 5 * MIB, 2 * MIB]
    place.destination.next_requests(passes, passes, hears(ranges), hears(ranges), hears(ranges))
    await place.connector().publish(an_entry(), file, Notes())
    assert published_once(place)
    assert ranges[0] == f"bytes {QUANTUM_BYTES}-{QUANTUM_BYTES + 5 * MIB - 1}/{len(LARGE)}"
    assert ranges[2].startswith(f"bytes {QUANTUM_BYTES + 7 * MIB}-")


async def test_a_destination_that_keeps_nothing_is_left_for_later(place: YouTubePlace, file: File) -> None:
    place.channel.keeps = [0]
    error = await failure(place, an_entry(), file, Notes())
    assert (error.code, error.may_pass) == ("destination_unavailable", True)
    assert methods(place) == ["POST", "PUT"]


@pytest.mark.parametrize("told", ["bytes=5-9", "0-100", "bytes=0-99999999"])
async def test_a_range_that_cannot_be_is_left_for_later(place: YouTubePlace, file: File, told: str) -> None:
    place.destination.next_requests(passes, fails(308, Range=told))
    error = await failure(place, an_entry(), file, Notes())
    assert (error.code, error.may_pass) == ("destination_unavailable", True)


# ---------------------------------------------------------------- cuts, lost answers, ended sessions


@pytest.mark.parametrize(
    "fault", [cuts(MIB), fails(503), fails(500), fails(502), forgets_to_answer], ids=["cut", "503", "500", "502", "no-answer"]
)
async def test_after_a_failure_in_the_middle_only_what_is_missing_is_sent(
    place: YouTubePlace, file: File, fault: Fault
) -> None:
    # Given an attempt that failed at its second chunk
    entry, notes = an_entry(), Notes()
    place.destination.next_requests(passes, passes, fault)
    assert (await failure(place, entry, file, notes)).may_pass
    [session] = place.channel.sessions.values()
    received_bytes, arrived_bytes, asked = session.received_bytes, session.arrived_bytes, len(place.destination.requests)
    assert received_bytes >= 5 * MIB

    # When another one goes on
    ranges: list[str] = []
    place.destination.next_requests(hears(ranges), hears(ranges))
    await place.connector().publish(entry, file, notes)

    # Then it asks first, and sends the rest
    assert ranges[0] == f"bytes */{len(LARGE)}"
    assert ranges[1].startswith(f"bytes {received_bytes}-")
    assert published_once(place)
    assert session.arrived_bytes - arrived_bytes == len(LARGE) - received_bytes
    assert "POST" not in methods(place, asked)


async def test_a_lost_answer_to_the_last_byte_is_asked_for(place: YouTubePlace, file: File) -> None:
    entry, notes = an_entry(), Notes()
    place.destination.next_requests(*LAST, forgets_to_answer)
    assert (await failure(place, entry, file, notes)).may_pass
    asked = len(place.destination.requests)

    published = await place.connector().publish(entry, file, notes)
    assert published == Published("vid-0000001")
    assert published_once(place)
    assert methods(place, asked) == ["PUT", "GET"]
    [session] = place.channel.sessions.values()
    assert session.arrived_bytes == len(LARGE)


async def test_a_success_without_an_id_is_asked_for_again(place: YouTubePlace, file: File) -> None:
    entry, notes = an_entry(), Notes()

    async def mumbles(request: web.Request, serve: Serve) -> web.StreamResponse:
        await serve(request)
        return web.Response(status=201, text='{"kind": "youtube#vi')

    place.destination.next_requests(*LAST, mumbles)
    assert (await failure(place, entry, file, notes)).may_pass
    assert (await place.connector().publish(entry, file, notes)).external_id == "vid-0000001"
    assert published_once(place)


@pytest.mark.parametrize("status", [404, 410])
async def test_a_session_that_ended_without_its_last_byte_is_begun_again(place: YouTubePlace, file: File, status: int) -> None:
    entry, notes = an_entry(), Notes()
    place.destination.next_requests(passes, passes, fails(status))
    error = await failure(place, entry, file, notes)
    assert (error.code, error.may_pass, notes.state) == ("destination_unavailable", True, {})
    place.channel.forget_sessions()
    await place.connector().publish(entry, file, notes)
    assert published_once(place)


async def test_a_session_that_ended_when_its_last_byte_was_to_come_is_begun_again(place: YouTubePlace, file: File) -> None:
    """404 is the answer to the first request with the last byte: no other can have brought it."""
    entry, notes = an_entry(), Notes()
    place.destination.next_requests(*LAST, fails(404))
    assert (await failure(place, entry, file, notes)).may_pass
    await place.connector().publish(entry, file, notes)
    assert published_once(place)


async def test_a_session_that_ended_after_its_last_byte_may_have_come_is_not_begun_again(
    place: YouTubePlace, file: File
) -> None:
    entry, notes = an_entry(), Notes()
    place.destination.next_requests(*LAST, forgets_to_answer)
    await failure(place, entry, file, notes)
    place.channel.forget_sessions()
    error = await failure(place, entry, file, notes)
    assert (error.code, error.may_pass) == ("destination_outcome_unknown", False)
    assert published_once(place)


async def test_a_session_that_says_that_the_last_byte_did_not_come_may_end_afterwards(place: YouTubePlace, file: File) -> None:
    # Given a last chunk that was cut, and a session that says so before it ends
    entry, notes = an_entry(), Notes()
    place.destination.next_requests(*LAST, cuts(MIB), passes, fails(503))
    assert (await failure(place, entry, file, notes)).may_pass
    assert (await failure(place, entry, file, notes)).may_pass
    notes.state = notes.saved[-2]
    assert notes.state["finishing"] is False
    place.channel.forget_sessions()

    # Then it is safe to begin again
    assert (await failure(place, entry, file, notes)).may_pass
    await place.connector().publish(entry, file, notes)
    assert published_once(place)


async def test_a_lost_answer_to_the_beginning_leaves_no_video(place: YouTubePlace, file: File) -> None:
    entry, notes = an_entry(), Notes()
    place.destination.next_requests(forgets_to_answer)
    assert (await failure(place, entry, file, notes)).may_pass
    assert notes.state is None
    await place.connector().publish(entry, file, notes)
    assert published_once(place)


# ---------------------------------------------------------------- tokens


async def test_a_token_is_got_once_and_used_until_it_ends(place: YouTubePlace, file: File) -> None:
    connector = place.connector()
    await connector.publish(an_entry(), file, Notes())
    await connector.publish(an_entry(), file, Notes())
    assert place.channel.given_tokens == 1


async def test_a_token_at_its_end_is_replaced_before_it_is_used(place: YouTubePlace, file: File) -> None:
    place.channel.token_seconds = 1
    await place.connector().publish(an_entry(), file, Notes())
    assert place.channel.given_tokens == len(place.destination.requests)


async def test_a_token_that_is_refused_in_the_middle_is_replaced_once(place: YouTubePlace, file: File) -> None:
    async def expires(request: web.Request, serve: Serve) -> web.StreamResponse:
        place.channel.expire_tokens()
        async for _ in request.content.iter_chunked(2**16):
            pass
        return await serve(request)

    place.destination.next_requests(passes, passes, expires)
    await place.connector().publish(an_entry(), file, Notes())
    assert published_once(place)
    assert place.channel.given_tokens == 2
    assert methods(place) == ["POST", "PUT", "PUT", "PUT", "PUT", "GET"]


async def test_a_channel_that_takes_no_token_is_final(place: YouTubePlace, file: File) -> None:
    place.destination.next_requests(*[fails(401, reason_body(401, "youtubeSignupRequired"))] * 2)
    error = await failure(place, an_entry(), file, Notes())
    assert (error.code, error.may_pass) == ("destination_unauthorized", False)
    assert "youtubeSignupRequired" in str(error)
    assert place.channel.given_tokens == 2


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"refresh_token": "1//gone"}, "invalid_grant"),
        ({"client_secret": "other"}, "invalid_client"),
        ({"client_id": "other"}, "invalid_client"),
    ],
)
async def test_credentials_that_google_refuses_are_final(
    place: YouTubePlace, file: File, changes: dict[str, Any], word: str
) -> None:
    with pytest.raises(PublishError) as caught:
        await place.connector(**changes).publish(an_entry(), file, Notes())
    assert (caught.value.code, caught.value.may_pass) == ("destination_unauthorized", False)
    assert word in str(caught.value)
    assert place.destination.requests == []


async def test_scopes_that_are_missing_are_told_before_a_byte_is_sent(place: YouTubePlace, file: File) -> None:
    place.channel.scopes = "https://www.googleapis.com/auth/youtube.upload"
    error = await failure(place, an_entry(), file, Notes())
    assert (error.code, error.may_pass) == ("destination_unauthorized", False)
    assert "youtube.readonly" in str(error)
    assert place.destination.requests == []


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (fails(503), "destination_unavailable"),
        (fails(429), "destination_unavailable"),
        (fails(400, '{"error": "internal_failure"}'), "destination_unavailable"),
        (fails(200, "not JSON"), "destination_unavailable"),
        (cuts(0), "destination_unreachable"),
    ],
)
async def test_a_token_endpoint_that_is_away_is_asked_later(place: YouTubePlace, file: File, fault: Fault, code: str) -> None:
    entry, notes = an_entry(), Notes()
    place.tokens.next_requests(fault)
    error = await failure(place, entry, file, notes)
    assert (error.code, error.may_pass) == (code, True)
    await place.connector().publish(entry, file, notes)
    assert published_once(place)


# ---------------------------------------------------------------- errors


@pytest.mark.parametrize("before", [[], [passes]], ids=["at the beginning", "at a chunk"])
@pytest.mark.parametrize(
    ("status", "reason", "code", "may_pass"),
    [
        (403, "quotaExceeded", "destination_quota_exceeded", True),
        (403, "dailyLimitExceeded", "destination_quota_exceeded", True),
        (400, "uploadLimitExceeded", "destination_quota_exceeded", True),
        (403, "rateLimitExceeded", "destination_unavailable", True),
        (403, "userRateLimitExceeded", "destination_unavailable", True),
        (429, "rateLimitExceeded", "destination_unavailable", True),
        (503, "backendError", "destination_unavailable", True),
        (403, "forbidden", "destination_unauthorized", False),
        (403, "insufficientPermissions", "destination_unauthorized", False),
        (403, "forbiddenPrivacySetting", "destination_rejected", False),
        (400, "invalidTitle", "destination_rejected", False),
        (400, "invalidCategoryId", "destination_rejected", False),
    ],
)
async def test_a_reason_has_a_code(
    place: YouTubePlace, file: File, before: list[Fault], status: int, reason: str, code: str, may_pass: bool
) -> None:
    place.destination.next_requests(*before, fails(status, reason_body(status, reason)))
    error = await failure(place, an_entry(), file, Notes())
    assert (error.code, error.may_pass) == (code, may_pass)
    assert error.retry_after_seconds == (86400 if code == "destination_quota_exceeded" else None)
    assert reason in str(error)
    assert "internal words" not in str(error)


async def test_metadata_that_is_none_is_refused_without_asking(place: YouTubePlace, file: File) -> None:
    error = await failure(place, an_entry(youtube={"privacyStatus": "secret", "categoryId": "x"}), file, Notes())
    assert (error.code, error.may_pass) == ("destination_metadata_refused", False)
    assert str(error) == "The metadata for YouTube cannot be used: categoryId, privacyStatus."
    assert place.destination.requests == []


@pytest.mark.parametrize("location", ["", "ftp://127.0.0.1/", "https://127.0.0.1:1/upload"])
async def test_a_session_elsewhere_gets_no_token(place: YouTubePlace, file: File, location: str) -> None:
    place.destination.next_requests(fails(200, Location=location) if location else fails(200))
    error = await failure(place, an_entry(), file, Notes())
    assert (error.code, error.may_pass) == ("destination_unavailable", True)
    assert methods(place) == ["POST"]


# ---------------------------------------------------------------- processing


async def test_a_video_is_published_when_it_is_processed(place: YouTubePlace, file: File) -> None:
    working = {"status": {"uploadStatus": "uploaded"}, "processingDetails": {"processingStatus": "processing"}}
    place.channel.processing = [None, working, working]
    published = await place.connector().publish(an_entry(), file, Notes())
    assert published.external_id == "vid-0000001"
    assert methods(place).count("GET") == 4


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"status": {"uploadStatus": "failed", "failureReason": "codec"}}, "failed, codec"),
        ({"status": {"uploadStatus": "rejected", "rejectionReason": "duplicate"}}, "rejected, duplicate"),
        ({"status": {"uploadStatus": "deleted"}}, "deleted"),
        (
            {
                "status": {"uploadStatus": "uploaded"},
                "processingDetails": {"processingStatus": "failed", "processingFailureReason": "transcodeFailed"},
            },
            "failed, transcodeFailed",
        ),
        ({"status": {"uploadStatus": "rejected", "rejectionReason": "<b>"}}, "rejected"),
    ],
)
async def test_a_video_that_youtube_refuses_has_failed(
    place: YouTubePlace, file: File, told: dict[str, Any], words: str
) -> None:
    place.channel.processing = [told]
    error = await failure(place, an_entry(), file, Notes())
    assert (error.code, error.may_pass) == ("destination_rejected", False)
    assert str(error) == f"YouTube does not show the video vid-0000001 ({words})."


async def test_a_video_that_is_still_processed_is_asked_for_at_the_next_attempt(place: YouTubePlace, file: File) -> None:
    entry, notes = an_entry(), Notes()
    place.channel.processing = [{"status": {"uploadStatus": "uploaded"}}]
    impatient = replace(place.connector(), patience=Patience(0.001, first_pause_seconds=1))
    with pytest.raises(PublishError) as caught:
        await impatient.publish(entry, file, notes)
    assert (caught.value.code, caught.value.may_pass) == ("destination_timeout", True)
    assert (str(caught.value), notes.state) == (
        "YouTube has the video vid-0000001 and is still processing it.",
        {"video_id": "vid-0000001"},
    )
    asked = len(place.destination.requests)
    await place.connector().publish(entry, file, notes)
    assert methods(place, asked) == ["GET"]
    assert published_once(place)


async def test_a_video_that_its_owner_deleted_meanwhile_has_failed(place: YouTubePlace, file: File) -> None:
    place.channel.processing = [None]
    impatient = replace(place.connector(), patience=Patience(0.001, first_pause_seconds=1))
    with pytest.raises(PublishError) as caught:
        await impatient.publish(an_entry(), file, Notes())
    assert (caught.value.code, caught.value.may_pass) == ("destination_rejected", False)


@pytest.mark.parametrize(
    ("faults", "code"),
    [
        ([fails(503)], "destination_unavailable"),
        ([fails(403, reason_body(403, "quotaExceeded"))], "destination_quota_exceeded"),
        ([fails(200, "not JSON")], "destination_unavailable"),
        ([cuts(0)] * 2, "destination_unreachable"),  # the client asks a second time by itself
    ],
)
async def test_a_question_that_fails_costs_no_second_upload(
    place: YouTubePlace, file: File, faults: list[Fault], code: str
) -> None:
    entry, notes = an_entry(), Notes()
    place.destination.next_requests(*[passes] * 4, *faults)
    error = await failure(place, entry, file, notes)
    assert (error.code, error.may_pass) == (code, True)
    await place.connector().publish(entry, file, notes)
    assert published_once(place)


# ---------------------------------------------------------------- secrets


async def test_nothing_secret_is_told(place: YouTubePlace, file: File) -> None:
    told = []
    for fault in (fails(500), fails(400), fails(403), cuts(MIB), fails(404), fails(308, Range="no")):
        place.destination.next_requests(passes, fault)
        told.append(str(await failure(place, an_entry(), file, Notes())))
    [token, *_] = place.channel.access_tokens
    sessions = list(place.channel.sessions)
    for words in told:
        assert not any(secret in words for secret in (token, *sessions, "of-acme", "127.0.0.1", "upload_id"))
    assert "of-acme" not in repr(place.connector())
