"""A form in a chunked body, as aiohttp hands it on."""

import asyncio

from aiohttp import StreamReader
from aiohttp.base_protocol import BaseProtocol
from aiohttp.test_utils import make_mocked_request

from libs.web.form_parser import FormLimits, FormParser
from libs.web.form_stream import FormStream

LIMITS = FormLimits(body_bytes=1000, files=1)
HEAD = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'


async def test_a_chunk_whose_end_comes_after_its_bytes_were_read_does_not_end_the_form() -> None:
    loop = asyncio.get_running_loop()
    body = StreamReader(BaseProtocol(loop), 2**16, loop=loop)
    stream = FormStream(make_mocked_request("POST", "/", payload=body), FormParser("b", LIMITS), LIMITS)
    # Given all of a chunk but its end has been read
    body.begin_http_chunk_receiving()
    body.feed_data(HEAD + b"first")
    assert await stream.next_file()
    content = stream.content()
    assert await anext(content) == b"first"
    # When its end and another chunk come
    body.end_http_chunk_receiving()
    body.begin_http_chunk_receiving()
    body.feed_data(b"second\r\n--b--\r\n")
    body.end_http_chunk_receiving()
    body.feed_eof()
    # Then the file goes on, and the form is complete
    assert [chunk async for chunk in content] == [b"second"]
    assert await stream.next_file() is None
