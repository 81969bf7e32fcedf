"""Upload24: metadata and file in one form."""

from collections.abc import Sequence
from typing import Any

import pytest

from contracts.events import PublicationRequested, UploadRegistered
from services.gateway.store import PublicationStore
from tests.contract.dialects.conftest import Gateway
from tests.contract.dialects.upload24 import MIB, VIDEO, Upload24, refused


@pytest.fixture
def api(gateway: Gateway) -> Upload24:
    return Upload24(gateway)


async def test_one_request_makes_a_record_and_asks_for_publication(api: Upload24) -> None:
    # T-07, T-10, T-25
    response = await api.form(api.fields(scheduledOn="2027-04-18T09:30:00Z"))

    assert response.status == 201
    made = await response.json()
    assert made == {"uploadId": made["uploadId"], "fileId": made["uploadId"], "status": "Scheduled"}
    registered = await api.registered()
    assert (registered.dialect, registered.transfer, str(registered.upload_id)) == ("upload24", "streamed", made["uploadId"])
    assert (registered.constraints.size_bytes, registered.file_name) == (len(VIDEO), "video.mp4")
    assert await api.bytes_of(registered.staging_key) == VIDEO
    [requested] = await api.requested()
    assert requested.title == "Spring launch teaser"
    assert [f"account_{account.hex}" for account in requested.account_ids] == api.gateway.accounts
    status = await api.status(made["uploadId"])
    assert (status["status"], status["scheduledOn"]) == ("Scheduled", "2027-04-18T09:30:00Z")


async def test_fields_may_follow_the_file(api: Upload24) -> None:
    # T-07, 5.4.24
    response = await api.form(api.fields(), first=True)

    assert response.status == 201, await response.text()
    assert await api.bytes_of((await api.registered()).staging_key) == VIDEO


async def test_a_large_file_goes_through_in_pieces(api: Upload24) -> None:
    # T-07
    large = bytes(range(256)) * (6 * MIB // 256)
    for first in (False, True):
        response = await api.form(api.fields(), large, first=first)
        assert response.status == 201, await response.text()
        assert await api.bytes_of((await api.registered()).staging_key) == large


async def test_a_list_may_be_spelled_as_one(api: Upload24) -> None:
    # T-07
    fields = [("title", "x"), *(("accounts[]", account) for account in api.gateway.accounts)]
    assert (await api.form(fields)).status == 201
    assert len((await api.requested())[-1].account_ids) == 2


async def test_without_its_file_the_form_is_refused(api: Upload24) -> None:
    # T-07
    fields = [field(name.encode(), value.encode()) for name, value in api.fields()]
    await refused(await api.send("POST", "/api/upload", data=body(fields), headers=TYPE), 400, "file_required")
    await refused(await api.form(api.fields(), name="video"), 400, "file_required")
    text = body([*fields, field(b"file", b"text")])
    await refused(await api.send("POST", "/api/upload", data=text, headers=TYPE), 400, "invalid_request")
    assert await api.staged() == []


async def test_a_second_file_is_refused(api: Upload24) -> None:
    response = await api.send("POST", "/api/upload", data=body([FILE, FILE]), headers=TYPE)
    await refused(response, 400, "too_many_files")
    assert await api.staged() == []


TYPE = {"Content-Type": "multipart/form-data; boundary=b"}
FILE = b'Content-Disposition: form-data; name="file"; filename="a.mp4"\r\nContent-Type: video/mp4\r\n\r\nbytes'


def body(parts: Sequence[bytes], end: bytes = b"--b--\r\n") -> bytes:
    return b"".join(b"--b\r\n" + part + b"\r\n" for part in parts) + end


def field(name: bytes, value: bytes) -> bytes:
    return b'Content-Disposition: form-data; name="%s"\r\n\r\n%s' % (name, value)


async def test_a_form_that_is_none_is_refused_and_leaves_nothing(api: Upload24) -> None:
    wrong = [
        b"", b"--b", b"--b--\r\n", b"nonsense", body([FILE], end=b""), body([FILE])[:-20], body([b"no head"]),
        body([field(b"title", b"\xff\xfe"), FILE]), body([field(b"title", b"a\0b"), FILE]),
        body([field(b"surprise", b"1"), FILE]),
        body([field(b"a%d" % n, b"1") for n in range(300)]), body([field(b"title", b"x" * 70_000), FILE]),
        body([field(b"t" * 2000, b"x"), FILE]),
    ]  # fmt: skip
    for content in wrong:
        response = await api.send("POST", "/api/upload", data=content, headers=TYPE)
        assert response.status in (400, 413), (content[:80], await response.text())
        assert set(await response.json()) == {"error"}
    for content_type in ("application/json", "multipart/form-data", "multipart/mixed; boundary=b", "", "text/plain"):
        response = await api.send("POST", "/api/upload", data=body([FILE]), headers={"Content-Type": content_type})
        assert response.status in (400, 415), content_type
    assert await api.staged() == []
    assert await api.gateway.emitted(UploadRegistered) == []


async def test_what_goes_wrong_after_the_file_came_leaves_nothing(api: Upload24, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything of a submission is one commit."""

    async def broken(*_values: Any, **_more: Any) -> None:
        raise ZeroDivisionError("secret detail")

    monkeypatch.setattr(PublicationStore, "insert", broken)

    response = await api.form(api.fields())

    await refused(response, 500, "internal_error")
    assert "secret" not in await response.text()
    assert await api.gateway.emitted(PublicationRequested) == []
    assert await api.quota(api.gateway.accounts[0]) == (0, 0)


async def test_a_quota_that_is_used_up_refuses_the_form_and_leaves_nothing(api: Upload24) -> None:
    # T-19
    [account] = await api.linked(quota_limit=0)
    response = await api.form([("title", "x"), ("accounts", account)])
    error = await refused(response, 403, "quota_exceeded")
    assert error["details"] == {"accounts": [account]}
    assert await api.staged() == []


@pytest.mark.parametrize("description", [r"\u0000", r"\ud800"])
async def test_metadata_with_characters_that_no_database_takes_are_refused(api: Upload24, description: str) -> None:
    # T-07, T-20
    youtube = f'{{"categoryId":"22","defaultLanguage":"en","defaultAudioLanguage":"en","description":"{description}"}}'

    await refused(await api.form([*api.fields(), ("youtube", youtube)]), 400, "invalid_request")

    assert await api.gateway.emitted(UploadRegistered) == []
