"""What is remembered of objects: for a while, up to a limit, and looked up once for all who ask at the same time."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from libs.object_store.disk import DiskStore
from libs.object_store.incoming import HELD_BYTES
from libs.object_store.port import PeekedObject
from services.gateway.files import object_cache
from services.gateway.files.object_cache import ENTRY_BYTES, FRESH_SECONDS, ObjectCache


class CountingStore(DiskStore):
    def __init__(self, root: Path) -> None:
        super().__init__(root, "http://127.0.0.1:1", "secret")
        self.looks = 0

    async def peek(self, key: str, max_bytes: int) -> PeekedObject | None:
        self.looks += 1
        return await super().peek(key, max_bytes)

    async def put(self, key: str, content: bytes) -> None:
        async def chunks() -> AsyncIterator[bytes]:
            yield content

        await self.write(key, chunks(), content_type="text/plain")


@pytest_asyncio.fixture
async def store(tmp_path: Path) -> AsyncIterator[CountingStore]:
    store = CountingStore(tmp_path)
    await store.open()
    yield store
    await store.close()


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


async def test_a_small_object_is_remembered_with_its_bytes_and_a_large_one_without(store: CountingStore) -> None:
    await store.put("small", b"1234")
    await store.put("large", b"12345")
    cache = ObjectCache(store, max_bytes=10**6, small_bytes=4)
    for _ in range(2):
        small, large = await cache.find("small"), await cache.find("large")
        assert small is not None
        assert large is not None
        assert (small.content, small.size_bytes, small.content_type) == (b"1234", 4, "text/plain")
        assert (large.content, large.size_bytes) == (None, 5)
        assert large.file_path is None
    assert store.looks == 2


async def test_only_of_an_object_that_is_alone_in_its_file_the_path_is_known(store: CountingStore) -> None:
    cache = ObjectCache(store, max_bytes=10**6)
    for size, is_alone in ((HELD_BYTES, False), (HELD_BYTES + 1, True)):
        await store.put(f"{size}", bytes(size))
        found = await cache.find(f"{size}")
        assert found is not None
        assert (found.file_path is not None) == is_alone
        if found.file_path is not None:
            assert (store.files.root / found.file_path).read_bytes() == bytes(size)


async def test_who_asks_at_the_same_time_shares_one_look(store: CountingStore) -> None:
    await store.put("a", b"1")
    cache = ObjectCache(store, max_bytes=10**6)
    found = await asyncio.gather(*(cache.find("a") for _ in range(20)))
    assert {each.content for each in found if each} == {b"1"}
    assert len(found) == 20
    assert store.looks == 1


async def test_what_is_not_there_is_not_remembered(store: CountingStore) -> None:
    cache = ObjectCache(store, max_bytes=10**6)
    assert await cache.find("a") is None
    await store.put("a", b"1")
    assert await cache.find("a") is not None


async def test_after_a_while_and_after_forget_it_is_looked_up_again(store: CountingStore) -> None:
    clock = Clock()
    cache = ObjectCache(store, max_bytes=10**6, clock=clock)
    await store.put("a", b"1")
    await cache.find("a")
    await store.put("a", b"22")
    clock.now += FRESH_SECONDS - 1
    remembered = await cache.find("a")
    clock.now += 1
    looked_up = await cache.find("a")
    assert remembered is not None
    assert looked_up is not None
    assert (remembered.content, looked_up.content) == (b"1", b"22")
    await store.delete(["a"])
    assert await cache.find("a") is not None
    cache.forget("a")
    assert await cache.find("a") is None


async def test_what_nobody_asks_for_any_more_leaves_the_memory(store: CountingStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(object_cache, "FRESH_SECONDS", 0.01)
    cache = ObjectCache(store, max_bytes=10**6)
    await store.put("a", b"1")
    await cache.find("a")
    async with asyncio.timeout(20):
        while cache.held_bytes:
            await asyncio.sleep(0.01)
    await cache.close()


@pytest.mark.parametrize("content_bytes", [0, 1000])
async def test_the_oldest_go_where_too_much_is_held(store: CountingStore, content_bytes: int) -> None:
    keys = [str(number) for number in range(6)]
    for key in keys:
        await store.put(key, bytes(content_bytes))
    cache = ObjectCache(store, max_bytes=3 * (ENTRY_BYTES + content_bytes))
    for key in keys:
        await cache.find(key)
    looks = store.looks
    for key in reversed(keys[3:]):
        await cache.find(key)
    assert store.looks == looks
    await cache.find(keys[2])
    assert store.looks == looks + 1
