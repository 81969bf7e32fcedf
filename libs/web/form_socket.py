"""A multipart form taken straight from its socket: a thread of the store moves the bytes, and finds the boundaries on the way.

Nothing is copied into Python objects: `bytearray.find` in the buffer that the socket is read into.
"""

from collections.abc import Callable, Sequence

from aiohttp import web

from libs.object_store.batch import Batch, TakesBatches, Target
from libs.object_store.port import ObjectInfo
from libs.object_store.socket_body import BodyStalledError, SocketBody
from libs.web.form_error import IncompleteFormError
from libs.web.form_parser import FileBegan, FileData, FileEnded, FilePart, FormLimits, FormParser
from libs.web.request import ENDS_CONNECTION
from libs.web.route import RequestTimeoutError


async def form_from_socket(
    request: web.Request,
    store: TakesBatches,
    target: Callable[[FilePart], Target],
    parser: FormParser,
    limits: FormLimits,
) -> list[tuple[FilePart, ObjectInfo]]:
    """The files, stored where `target` says; the fields gather in `parser`. The answer to `request` is this connection's last.

    Raises the errors of `form_error`, or RequestTimeoutError; what is left of the body is drained before.
    """
    try:
        body = SocketBody(request)
    except ConnectionError:
        raise _cut_off() from None
    try:
        return await _receive(body, store, target, parser, limits.idle_seconds)
    except BodyStalledError:
        raise RequestTimeoutError("The body did not arrive in time.") from None
    except ConnectionError:
        raise _cut_off() from None
    except Exception:
        await body.drain(store.run, limits.drain_bytes, limits.drain_seconds)
        raise
    finally:
        body.close()
        _end_connection(request)


async def _receive(
    body: SocketBody, store: TakesBatches, target: Callable[[FilePart], Target], parser: FormParser, idle_seconds: float
) -> list[tuple[FilePart, ObjectInfo]]:
    async with store.batch() as batch:
        taker = FormTaker(parser, batch, target)
        await body.move_to(taker, store.run, idle_seconds)
        parser.finish()
        stored: Sequence[ObjectInfo] = await store.run(batch.commit, taker.targets)
        return list(zip(taker.parts, stored, strict=True))


class FormTaker:
    """A `socket_body.Taker` that puts the files of a form into a batch."""

    def __init__(self, parser: FormParser, batch: Batch, target: Callable[[FilePart], Target]) -> None:
        self.parts: list[FilePart] = []
        self.targets: list[Target] = []
        self._parser = parser
        self._target = target
        self._batch = batch

    def take(self, buffer: bytearray, count: int) -> int:
        for event in self._parser.feed(buffer, count):
            match event:
                case FileData(start, stop):
                    self._batch.write(buffer, start, stop)
                case FileBegan(part):
                    self.parts.append(part)
                    self.targets.append(self._target(part))
                    self._batch.begin()
                case FileEnded():
                    self._batch.end()
        start = self._parser.consumed
        buffer[: count - start] = buffer[start:count]
        return count - start


def _cut_off() -> IncompleteFormError:
    return IncompleteFormError("The body was cut off.")


def _end_connection(request: web.Request) -> None:
    """aiohttp does not know that the body is gone: it shall neither wait for it nor read anything else as if it were it."""
    request[ENDS_CONNECTION] = True
    request.protocol.close()
    request.content.feed_eof()
    if request.transport is not None:
        request.transport.pause_reading()
