from collections.abc import Awaitable, Callable

import pytest_asyncio

from libs.outbox.unit_of_work import Outbox


@pytest_asyncio.fixture
async def outbox(open_outbox: Callable[[str], Awaitable[Outbox]]) -> Outbox:
    return await open_outbox("delivery")
