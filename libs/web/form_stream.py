"""A multipart form as aiohttp reads it: any transport, announced length or not."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator

from aiohttp import web

from libs.web.form_error import IncompleteFormError
from libs.web.form_parser import FileBegan, FileData, FileEnded, FilePart, FormLimits, FormParser
from libs.web.route import BodyTooLargeError, RequestTimeoutError


class FormStream:
    """`next_file` goes to the next file, `content` is its bytes; the text fields gather in the parser meanwhile."""

    def __init__(self, request: web.Request, parser: FormParser, limits: FormLimits) -> None:
        self._request = request
        self._parser = parser
        self._limits = limits
        self._held = b""
        self._size_bytes = 0
        self._closed = False
        self._events: deque[FilePart | bytes | None] = deque()
        """A file's beginning, its bytes, and None for its end."""

    async def next_file(self) -> FilePart | None:
        """None when the form is over and was complete.

        Raises the errors of `form_error`, BodyTooLargeError or RequestTimeoutError.
        """
        while self._events or await self._more():
            event = self._events.popleft()
            if isinstance(event, FilePart):
                return event
        return None

    async def content(self) -> AsyncIterator[bytes]:
        """The bytes of the file that `next_file` came to."""
        while self._events or await self._more():
            event = self._events.popleft()
            if event is None:
                return
            assert isinstance(event, bytes)
            yield event

    def close(self) -> None:
        """Whoever still reads gets an error."""
        self._events.clear()
        self._closed = True

    async def _more(self) -> bool:
        """Reads on until there is an event; False at the end of the body."""
        while not self._events:
            if self._closed:
                raise IncompleteFormError("The form was given up.")
            chunk = await self._read()
            if not chunk:
                self._parser.finish()
                return False
            self._size_bytes += len(chunk)
            if self._size_bytes > self._limits.body_bytes:
                raise BodyTooLargeError(f"The body may have at most {self._limits.body_bytes} bytes.")
            self._parse(self._held + chunk)
        return True

    def _parse(self, data: bytes) -> None:
        for event in self._parser.feed(data, len(data)):
            match event:
                case FileBegan(part):
                    self._events.append(part)
                case FileData(start, stop):
                    self._events.append(data[start:stop])
                case FileEnded():
                    self._events.append(None)
        self._held = data[self._parser.consumed :]

    async def _read(self) -> bytes:
        try:
            async with asyncio.timeout(self._limits.idle_seconds):
                return await self._request.content.readany()
        except TimeoutError:
            raise RequestTimeoutError("The body did not arrive in time.") from None
        except (web.RequestPayloadError, ConnectionError):
            raise IncompleteFormError("The body was cut off.") from None
