"""What is put into the watch folder becomes an upload, in both forms of the platform."""

from pathlib import Path
from typing import Any
from uuid import uuid4

from tests.e2e.client import Client, until
from tests.e2e.platform import Platform


async def named(client: Client, name: str) -> dict[str, Any] | None:
    answer = await client.call("GET", "/platform/v1/uploads?dialect=medialab&limit=100")
    assert answer.status == 200, answer
    return next((upload for upload in answer.json["uploads"] if upload["file"]["name"] == name), None)


async def test_a_file_that_is_dropped_is_ingested_once(shared_platform: Platform, client: Client, image: bytes) -> None:
    # M-07
    folder = Path(shared_platform.credentials.watch_folder)
    name = f"{uuid4().hex}.png"
    (folder / "101_Clips").mkdir(parents=True, exist_ok=True)
    file = folder / "101_Clips" / name
    file.write_bytes(image)

    upload = await until(lambda: named(client, name), 120)
    done = await client.until_terminal(upload["id"], 120)
    assert (done["state"], done["dialect"]) == ("READY", "medialab")
    assert (done["file"]["size_bytes"], done["file"]["mime_type"]) == (len(image), "image/png")

    async def gone() -> bool:
        return not any((folder / "101_Clips").iterdir())

    await until(gone)
    answer = await client.call("GET", "/platform/v1/uploads?dialect=medialab&limit=100")
    assert [upload["file"]["name"] for upload in answer.json["uploads"]].count(name) == 1


async def test_a_file_that_stays_empty_has_a_note_until_it_is_filled(
    shared_platform: Platform, client: Client, image: bytes
) -> None:
    # M-07
    file = Path(shared_platform.credentials.watch_folder) / f"{uuid4().hex}.png"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch()
    note = file.with_name(f"{file.name}.error.txt")

    async def has_note() -> bool:
        return note.exists()

    await until(has_note, 120)
    assert note.read_text().startswith("fetch_empty")
    assert file.exists()
    assert await named(client, file.name) is None

    file.write_bytes(image)
    upload = await until(lambda: named(client, file.name), 120)
    assert (await client.until_terminal(upload["id"], 120))["state"] == "READY"

    async def both_gone() -> bool:
        return not file.exists() and not note.exists()

    await until(both_gone)
