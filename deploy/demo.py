"""`make demo`: files on their whole way, in and out, through a Longshore that starts for this alone.

It speaks plain HTTP like any client. With LONGSHORE_BUS_URL, LONGSHORE_POSTGRES_DSN and LONGSHORE_S3_URL set, the same way
leads over real servers.
"""

import asyncio
import json
import os
import signal
import sys
import tempfile
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import imageio_ffmpeg
from aiohttp import web
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from deploy.demo_client import Demo, DemoError
from deploy.demo_publishing import show_publishing, show_watch_folder
from deploy.terminal import say, step, table

PATIENCE_SECONDS = 180


async def show_video(demo: Demo, video: bytes) -> None:
    step("A video through the eachlabs API")
    created = await demo.call(
        "POST",
        "/api/v1/uploads",
        {
            "owner": demo.credentials["org"],
            "uploader": "customer",
            "file_type": "video",
            "content_type": "video/mp4",
            "callback_url": demo.callback_url,
        },
    )
    say(f"registered {created['id']}")
    await demo.put(created["upload_url"], video, created["required_headers"])
    await demo.watch(created["id"], "processing")
    call = await demo.inbox.get()
    say(f"webhook {call['event']}, status {call['status']}, signature verified")
    await show_result(demo, created["id"], fetch="mp4")


async def show_image(demo: Demo, image: bytes) -> None:
    step("An image through the json2video API")
    asked = {"name": "demo.png", "contentType": "image/png", "size": len(image), "folder": "demo"}
    created = await demo.call("POST", "/v2/media/file", asked)
    say(f"registered, its address will be {created['fileUrl']}")
    await demo.put(created["uploadUrl"], image, {"Content-Type": "image/png"})
    newest = await demo.call("GET", "/platform/v1/uploads", dialect="json2video", limit=1)
    upload_id = newest["uploads"][0]["id"]
    await demo.watch(upload_id, "processing")
    await show_result(demo, upload_id, fetch="thumbnail")


async def show_result(demo: Demo, upload_id: str, *, fetch: str) -> None:
    """The timeline and the links; `fetch` is the kind of rendition that is read as proof."""
    upload = await demo.call("GET", f"/platform/v1/uploads/{upload_id}")
    events = [(entry["time"][11:23], entry["type"], _in_short(entry["summary"])) for entry in upload["timeline"]]
    table("what happened", events)
    links = [("original", upload["file"]["url"])] + [
        (rendition["kind"], rendition["url"]) for rendition in upload["renditions"]
    ]
    table("what came of it", links)
    url = next((rendition["url"] for rendition in upload["renditions"] if rendition["kind"] == fetch), None)
    if url is None:
        raise DemoError(f"there is no rendition of kind {fetch}")
    async with demo.http.get(url) as response:
        body = await response.read()
        if response.status != 200 or not body:
            raise DemoError(f"{url} was answered {response.status}")
        say(f"fetched the {fetch}: {len(body):,} bytes of {response.content_type}")


def _in_short(summary: dict[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in summary.items() if isinstance(value, str | int | float))[:70]


@asynccontextmanager
async def receiving(inbox: "asyncio.Queue[dict[str, Any]]", secret: list[str]) -> AsyncIterator[str]:
    """The address of a receiver that accepts only what the tenant's secret signed; `secret` is filled in later."""

    async def take(request: web.Request) -> web.Response:
        try:
            data = Webhook(secret[0]).verify(await request.read(), dict(request.headers))
        except WebhookVerificationError:
            return web.Response(status=401)
        inbox.put_nowait(data)
        return web.Response(status=204)

    application = web.Application()
    application.router.add_post("/callback", take)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/callback"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def longshore(folder: Path) -> AsyncIterator[dict[str, Any]]:
    """A standalone on free ports; the credentials that it wrote."""
    environment = os.environ | {
        "LONGSHORE_DATA_DIR": str(folder / "data"),
        "LONGSHORE_HTTP_PORT": "0",
        "LONGSHORE_OPS_PORT": "0",
        "LONGSHORE_EGRESS_ALLOW": "127.0.0.0/8",
        "LONGSHORE_INGEST_WATCH_SETTLE_SECONDS": "1",
    }
    log = folder / "longshore.log"
    with log.open("wb") as errors:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "deploy.standalone", env=environment, stdout=PIPE, stderr=errors, start_new_session=True
        )
    try:
        await _until_ready(process, log)
        yield json.loads((folder / "data" / "credentials.json").read_text())
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def _until_ready(process: Process, log: Path) -> None:
    assert process.stdout is not None
    while line := await process.stdout.readline():
        if b"ready" in line:
            return
    raise DemoError(f"Longshore did not start:\n{_tail(log)}")


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-15:])


async def make_media(folder: Path) -> tuple[bytes, bytes]:
    """A short video with sound (MP4) and an image (PNG), drawn by ffmpeg."""
    video, image = folder / "demo.mp4", folder / "demo.png"
    await _ffmpeg(
        *(
            "-f",
            "lavfi",
            "-i",
            "testsrc2=size=640x360:rate=25:duration=4",
            "-f",
            "lavfi",
            "-i",
            "sine=frequency=330:duration=4",
        ),
        *("-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p", "-c:a", "aac", "-shortest", str(video)),
    )
    await _ffmpeg("-f", "lavfi", "-i", "testsrc2=size=1280x720:duration=1", "-frames:v", "1", str(image))
    return await asyncio.to_thread(video.read_bytes), await asyncio.to_thread(image.read_bytes)


async def _ffmpeg(*arguments: str) -> None:
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-loglevel", "error", "-y", *arguments]
    process = await asyncio.create_subprocess_exec(*command)
    if await process.wait() != 0:
        raise DemoError("ffmpeg could not make the demo's media")


async def run() -> None:
    inbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    secret: list[str] = []
    with tempfile.TemporaryDirectory(prefix="longshore-demo-") as name:
        folder = Path(name)
        step("Making a video and an image, starting Longshore")
        async with receiving(inbox, secret) as callback_url, longshore(folder) as credentials, aiohttp.ClientSession() as http:
            secret.append(credentials["webhook_secret"])
            say(f"serving on {credentials['base_url']}")
            video, image = await make_media(folder)
            demo = Demo(http, credentials, callback_url, inbox)
            await show_video(demo, video)
            await show_image(demo, image)
            await show_publishing(demo, video)
            await show_watch_folder(demo, image)


async def main() -> None:
    started = time.monotonic()
    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)  # what was started is stopped again
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            await run()
    except TimeoutError:
        sys.exit(f"\nThe demo failed: not done after {PATIENCE_SECONDS} s.")
    except asyncio.CancelledError:
        sys.exit("\nThe demo was stopped.")
    except (DemoError, OSError, aiohttp.ClientError) as error:
        sys.exit(f"\nThe demo failed: {error}")
    step(f"All of it worked, in {time.monotonic() - started:.0f} s.")


if __name__ == "__main__":
    asyncio.run(main())
