"""`pyuploadcare`, in a thread beside the tests' event loop."""

import asyncio
import os
import re
import sysconfig
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import pytest
from pyuploadcare import File, FileGroup, Uploadcare
from pyuploadcare.api.auth import UploadcareSimpleAuth
from pyuploadcare.exceptions import AuthenticationError, InvalidRequestError, UploadError
from pyuploadcare.resources.file import UploadProgress

from tests.e2e.client import until
from tests.e2e.clients.content import MIB, Content, assert_comes_back
from tests.e2e.clients.project import Project

pytestmark = pytest.mark.asyncio(loop_scope="session")


class Library(Uploadcare):  # type: ignore[misc]
    """The client with a project's keys and addresses; `with` closes its connections, which it leaves to the collector."""

    def __init__(self, project: Project, **settings: Any) -> None:
        base = project.base_url
        keys = {"public_key": project.public_key, "secret_key": project.secret_key, "signed_uploads": False}
        super().__init__(**keys | {"upload_base": base, "api_base": base, "cdn_base": f"{base}/"} | settings)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        for connections in (self.rest_client, self.upload_client, self.cdn_client):
            connections.close()


@pytest.fixture
def uploadcare(project: Project) -> Iterator[Uploadcare]:
    with Library(project) as opened:
        yield opened


async def test_a_direct_upload_of_several_files(uploadcare: Uploadcare, document: Content, picture: Content) -> None:
    # U-06, U-10, U-11, U-13
    def upload_files() -> list[File]:
        with ExitStack() as stack:
            opened = [stack.enter_context(content.path.open("rb")) for content in (document, picture)]
            return list(uploadcare.upload_files(opened, store=True, common_metadata={"pet_name": "Ada"}))

    files = await asyncio.to_thread(upload_files)

    for file, content in zip(files, (document, picture), strict=True):
        await assert_comes_back(file.cdn_url, content)
        info = await _when_ready(file)
        assert (info["original_filename"], info["size"]) == (content.name, content.size)
        assert (info["mime_type"], info["is_image"]) == (content.mime_type, content is picture)
        assert info["metadata"] == {"pet_name": "Ada"}
        assert file.is_stored


@pytest.mark.parametrize("chunk_bytes", [5 * MIB, 8 * MIB])
async def test_a_multipart_upload(project: Project, archive: Content, chunk_bytes: int) -> None:
    # U-14, U-21, U-22, U-23: this client's parts may be larger than those that URLs were asked for
    done: list[int] = []
    with Library(project, multipart_chunk_size=chunk_bytes) as uploadcare:
        file = await asyncio.to_thread(_upload, uploadcare, archive, callback=lambda progress: done.append(progress.done))

    assert done[-1] == archive.size
    assert (file.filename, file.size, file.mime_type) == (archive.name, archive.size, archive.mime_type)
    await assert_comes_back(file.cdn_url, archive)


async def test_a_multipart_upload_of_more_than_100_mb(uploadcare: Uploadcare, recording: Content) -> None:
    # U-14, U-23
    file = await asyncio.to_thread(_upload, uploadcare, recording, metadata={"kind": "large"})

    assert (file.filename, file.size) == (recording.name, recording.size)
    assert file.info["metadata"] == {"kind": "large"}
    await assert_comes_back(file.cdn_url, recording)


async def test_an_upload_from_a_url(uploadcare: Uploadcare, site: str, recording: Content) -> None:
    # U-24, U-25, U-30, U-31
    told: list[UploadProgress] = []
    file: File = await asyncio.to_thread(
        uploadcare.upload_from_url_sync,
        f"{site}/moved/{recording.name}",
        filename="given name.wav",
        metadata={"kind": "large"},
        until_ready=True,
        callback=told.append,
        timeout=60,
    )

    assert (told[-1].done, told[-1].total) == (recording.size, recording.size)
    info = await asyncio.to_thread(file.update_info)
    assert (info["size"], info["metadata"]) == (recording.size, {"kind": "large"})
    await assert_comes_back(file.cdn_url, recording)


async def test_a_url_that_was_fetched_before_is_not_fetched_again(uploadcare: Uploadcare, site: str, picture: Content) -> None:
    # U-26, U-27, U-28
    async def fetched(**options: bool) -> str:
        file: File = await asyncio.to_thread(
            uploadcare.upload_from_url_sync, f"{site}/files/{picture.name}?by=python", **options
        )
        return str(file.uuid)

    first = await fetched(save_duplicates=True)
    assert await fetched(check_duplicates=True) == first
    assert await fetched() != first


async def test_a_url_that_leads_nowhere_is_told(uploadcare: Uploadcare, site: str) -> None:
    with pytest.raises(UploadError):
        await asyncio.to_thread(uploadcare.upload_from_url_sync, f"{site}/files/missing.png")


async def test_a_group(uploadcare: Uploadcare, document: Content, picture: Content) -> None:
    # U-33, U-36
    contents = (document, picture)
    files = [await asyncio.to_thread(_upload, uploadcare, content) for content in contents]

    group: FileGroup = await asyncio.to_thread(uploadcare.create_file_group, files)

    assert [file.uuid for file in group] == [file.uuid for file in files]
    for url, content in zip(group.file_cdn_urls, contents, strict=True):
        await assert_comes_back(url, content)
    known = uploadcare.file_group(group.id)
    assert (await asyncio.to_thread(known.update_info))["files_count"] == 2


@pytest.mark.parametrize("settings", [{}, {"auth_class": UploadcareSimpleAuth}], ids=["signed", "simple"])
async def test_what_is_done_to_a_file_afterwards(project: Project, picture: Content, settings: dict[str, Any]) -> None:
    """The REST API, with both ways to show the keys."""
    with Library(project, **settings) as uploadcare:
        file = await asyncio.to_thread(_upload, uploadcare, picture, store=False)
        assert (await _when_ready(file))["content_info"]["image"]["width"] == 640
        assert not file.is_stored

        await asyncio.to_thread(file.store)
        assert file.is_stored
        await asyncio.to_thread(uploadcare.metadata_api.update_or_create_key, file.uuid, "pet", "cat")
        assert await asyncio.to_thread(uploadcare.metadata_api.get_all_metadata, file.uuid) == {"pet": "cat"}
        listed = await asyncio.to_thread(lambda: list(uploadcare.list_files(limit=20, ordering="-datetime_uploaded")))
        assert file.uuid in [one.uuid for one in listed]

        await asyncio.to_thread(file.delete)
        assert file.is_removed


async def test_signed_uploads(signed_project: Project, site: str, document: Content, archive: Content) -> None:
    # U-12, U-19, U-29
    with Library(signed_project, signed_uploads=True) as uploadcare:
        direct = await asyncio.to_thread(_upload, uploadcare, document)
        multipart = await asyncio.to_thread(_upload, uploadcare, archive)
        fetched = await asyncio.to_thread(uploadcare.upload_from_url_sync, f"{site}/files/{archive.name}")
        group = await asyncio.to_thread(uploadcare.create_file_group, [direct, multipart, fetched])

    assert len(group) == 3
    for file, content in zip(group, (document, archive, archive), strict=True):
        await assert_comes_back(file.cdn_url, content)


async def test_uploads_without_their_signature_are_refused(
    signed_project: Project, site: str, document: Content, archive: Content
) -> None:
    # U-E28, U-E27
    uploads: list[Callable[[Uploadcare], Any]] = [
        lambda uploadcare: _upload(uploadcare, document),
        lambda uploadcare: _upload(uploadcare, archive),
        lambda uploadcare: uploadcare.upload_from_url(f"{site}/files/{archive.name}"),
    ]
    for upload in uploads:
        with Library(signed_project) as unsigned, pytest.raises(InvalidRequestError, match="`signature` is required"):
            await asyncio.to_thread(upload, unsigned)
        wrong = {"signed_uploads": True, "secret_key": "wrong"}
        with Library(signed_project, **wrong) as forger, pytest.raises(AuthenticationError, match="Invalid signature"):
            await asyncio.to_thread(upload, forger)


async def test_an_unknown_key_is_refused(project: Project, document: Content) -> None:
    # U-E18
    with Library(project, public_key="unknown") as stranger, pytest.raises(AuthenticationError, match="is invalid"):
        await asyncio.to_thread(_upload, stranger, document)


async def test_a_throttled_upload_is_repeated_when_the_answer_says(throttled_project: Project, document: Content) -> None:
    # U-E23
    with Library(throttled_project) as uploadcare:
        files = [await asyncio.to_thread(_upload, uploadcare, document) for _ in range(2)]

    for file in files:
        await assert_comes_back(file.cdn_url, document)


async def test_its_command_finds_the_platform_by_environment_variables(
    project: Project, archive: Content, tmp_path: Path
) -> None:
    # As README.md says
    base = f"{project.base_url}/"
    addresses = {f"UPLOADCARE_{name}_BASE": base for name in ("UPLOAD", "API", "CDN")}
    keys = {"UPLOADCARE_PUBLIC_KEY": project.public_key, "UPLOADCARE_SECRET_KEY": project.secret_key}
    command = Path(sysconfig.get_path("scripts")) / "ucare"

    environment, pipe = os.environ | addresses | keys, asyncio.subprocess.PIPE
    ran = await asyncio.create_subprocess_exec(
        command, "upload", archive.path, "--cdnurl", env=environment, cwd=tmp_path, stdout=pipe, stderr=pipe
    )
    said, errors = await ran.communicate()

    assert ran.returncode == 0, errors.decode()
    [url] = re.findall(rf"{base}[0-9a-f-]+/", said.decode())
    await assert_comes_back(url, archive)


def _upload(uploadcare: Uploadcare, content: Content, **options: Any) -> File:
    with content.path.open("rb") as opened:
        file: File = uploadcare.upload(opened, **options)
    return file


async def _when_ready(file: File) -> dict[str, Any]:
    async def ready() -> dict[str, Any] | None:
        info: dict[str, Any] = await asyncio.to_thread(file.update_info)
        return info if info["is_ready"] else None

    found: dict[str, Any] = await until(ready)
    return found
