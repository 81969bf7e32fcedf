"""The demo's second half: one upload published to two accounts, one that waits for its time, and a file from a watch folder."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp

from deploy.demo_client import Demo, DemoError
from deploy.terminal import Progress, say, step, table

SCHEDULED_SECONDS = 4
LOOK_SECONDS = 0.2
ENDED = {"Uploaded", "Failed"}


async def show_publishing(demo: Demo, video: bytes) -> None:
    first, second = demo.credentials["accounts"]
    step("The video through the Upload24 API, to two accounts at once")
    await _published(demo, await _submit(demo, video, "Spring launch teaser", [first, second]))

    step(f"Once more, to one account in {SCHEDULED_SECONDS} s")
    due_at = datetime.now(UTC) + timedelta(seconds=SCHEDULED_SECONDS)
    await _published(demo, await _submit(demo, video, "Spring launch", [first], scheduledOn=due_at.isoformat()))


async def show_watch_folder(demo: Demo, image: bytes) -> None:
    step("A file that somebody puts into the watch folder")
    path = Path(demo.credentials["watch_folder"]) / "found.png"
    await asyncio.to_thread(path.write_bytes, image)
    say(f"written to {path}")
    with Progress("waiting until it is found") as progress:
        while not (found := (await demo.call("GET", "/platform/v1/uploads", dialect="medialab", limit=1))["uploads"]):
            progress.show("WAITING", 0)
            await asyncio.sleep(LOOK_SECONDS)
    await demo.watch(found[0]["id"], "processing")
    while await asyncio.to_thread(path.exists):  # noqa: ASYNC110 - another process removes it
        await asyncio.sleep(LOOK_SECONDS)
    say(f"{found[0]['id']} is ready, and the file is gone from the folder")


async def _submit(demo: Demo, video: bytes, title: str, accounts: list[str], **fields: str) -> str:
    """The upload's id, known as soon as the form has been taken."""
    form = aiohttp.FormData()
    form.add_field("title", title)
    for account in accounts:
        form.add_field("accounts", account)
    for name, value in fields.items():
        form.add_field(name, value)
    form.add_field("file", video, filename="demo.mp4", content_type="video/mp4")
    headers = {"X-Api-Key": demo.credentials["api_key"]}
    async with demo.http.post(f"{demo.credentials['base_url']}/api/upload", data=form, headers=headers) as response:
        if response.status >= 400:
            raise DemoError(f"the form was answered {response.status}: {(await response.text())[:300]}")
        answer = await response.json()
    say(f"upload {answer['uploadId']} is {answer['status']}")
    return str(answer["uploadId"])


async def _published(demo: Demo, upload_id: str) -> None:
    """Waits until each account has it or has failed, and shows what became of them."""
    with Progress("publishing") as progress:
        while True:
            shown: dict[str, Any] = await demo.call("GET", f"/api/upload/{upload_id}/status")
            ended = sum(account["status"] in ENDED for account in shown["accounts"])
            progress.show(shown["status"].upper(), 100 * ended // len(shown["accounts"]))
            if ended == len(shown["accounts"]):
                break
            await asyncio.sleep(LOOK_SECONDS)
    if shown["status"] != "Uploaded":
        raise DemoError(f"publishing ended as {shown}")
    table("where it went", [(a["accountId"], a["status"], a["externalId"]) for a in shown["accounts"]])
