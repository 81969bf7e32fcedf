"""What is rarely asked of an S3 service: through the `minio` SDK, which is synchronous, in threads of its own."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from typing import Any, ParamSpec, TypeVar
from urllib.parse import urlsplit

import urllib3
from minio import Minio
from minio.error import InvalidResponseError, MinioException, S3Error
from minio.notificationconfig import NotificationConfig, PrefixFilterRule, QueueConfig

from libs.object_store.port import ObjectInfo, StoreUnavailableError
from libs.object_store.s3_error import port_error

PAGE = 1000
_THREADS = 4
_P = ParamSpec("_P")
_T = TypeVar("_T")


class S3Admin:
    """Raises errors of the port."""

    def __init__(self, origin: str, bucket: str, access_key: str, secret_key: str, region: str) -> None:
        parts = urlsplit(origin)
        self._bucket = bucket
        self._http = urllib3.PoolManager(
            maxsize=_THREADS,
            timeout=urllib3.Timeout(connect=5, read=60),
            retries=urllib3.Retry(total=2, backoff_factor=0.2, status_forcelist=[500, 502, 503, 504]),
        )
        self._client = Minio(
            endpoint=parts.netloc,
            access_key=access_key,
            secret_key=secret_key,
            region=region,
            secure=parts.scheme == "https",
            http_client=self._http,
        )
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="s3-admin")

    async def close(self) -> None:
        await asyncio.to_thread(self._threads.shutdown, wait=True, cancel_futures=True)
        self._http.clear()

    async def make_bucket(self) -> None:
        """Where it is missing."""
        await self._run(self._make_bucket)

    async def announce(self, prefix: str, arn: str) -> None:
        rule = QueueConfig(queue=arn, events=["s3:ObjectCreated:*"], prefix_filter_rule=PrefixFilterRule(prefix))
        await self._run(self._client.set_bucket_notification, self._bucket, NotificationConfig(queue_config_list=[rule]))

    async def list(self, prefix: str, after: str) -> AsyncIterator[Sequence[ObjectInfo]]:
        """Pages in key order."""
        found = self._client.list_objects(bucket_name=self._bucket, prefix=prefix, recursive=True, start_after=after or None)
        while page := await self._run(lambda: [_listed(entry) for entry in islice(found, PAGE)]):
            yield page

    def _make_bucket(self) -> None:
        try:
            if not self._client.bucket_exists(bucket_name=self._bucket):
                self._client.make_bucket(bucket_name=self._bucket)
        except MinioException as error:
            # A key without the right to ask or to create is fine as long as it can use the bucket; the probe will see.
            if error_code(error) not in ("AccessDenied", "BucketAlreadyOwnedByYou"):
                raise

    async def _run(self, work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Does blocking work in a thread; what the SDK raises becomes an error of the port."""

        def in_thread() -> _T:
            with port_errors():
                return work(*args, **kwargs)

        return await asyncio.get_running_loop().run_in_executor(self._threads, in_thread)


def _listed(entry: Any) -> ObjectInfo:
    return ObjectInfo(entry.object_name, entry.size, entry.etag.strip('"'), entry.last_modified)


def error_code(error: MinioException) -> str:
    """S3's code for what went wrong, where the answer has one."""
    if isinstance(error, S3Error):
        return error.code or "an error without a code"
    # The SDK reads only error bodies of type `application/xml`; some servers say `text/xml`.
    found = re.search(r"<Code>(\w+)</Code>", str(error)) if isinstance(error, InvalidResponseError) else None
    return found[1] if found else type(error).__name__


@contextmanager
def port_errors() -> Iterator[None]:
    try:
        yield
    except MinioException as error:
        code = error_code(error)
        raise port_error(code, getattr(error, "object_name", code)) from error
    except (urllib3.exceptions.HTTPError, ConnectionError, TimeoutError) as error:
        raise StoreUnavailableError(f"the store does not answer: {type(error).__name__}") from error
