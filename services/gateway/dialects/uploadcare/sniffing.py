"""What a staged object's first bytes are."""

from libs.media_type.content import SNIFF_BYTES, sniff
from libs.object_store.port import ObjectStore


async def actual_type(objects: ObjectStore, key: str) -> str:
    """A MIME type. Raises ObjectNotFoundError."""
    head = b"".join([chunk async for chunk in objects.read(key, start=0, length=SNIFF_BYTES)])
    return sniff(head).mime_type
