"""Publishes to one channel."""

from dataclasses import dataclass

from contracts.events import JsonObject
from services.delivery.publishing.connectors.port import Checkpoint, Entry, File
from services.delivery.publishing.connectors.youtube.api import YouTubeApi
from services.delivery.publishing.connectors.youtube.metadata import video_resource, wishes_of
from services.delivery.publishing.connectors.youtube.processing import Patience, Processing
from services.delivery.publishing.connectors.youtube.upload import CHUNK_BYTES, ResumableUpload
from services.delivery.publishing.domain.outcome import Published


@dataclass(frozen=True)
class YouTubeConnector:
    api: YouTubeApi
    patience: Patience
    chunk_bytes: int = CHUNK_BYTES

    async def publish(self, entry: Entry, file: File, checkpoint: Checkpoint) -> Published:
        """As `Connector.publish`. The external id is the video's."""
        state = checkpoint.state or {}
        video_id = state.get("video_id") or await self._uploaded(entry, file, checkpoint)
        await Processing(self.api, video_id).end(self.patience)
        return Published(video_id)

    async def give_up(self, entry: Entry, state: JsonObject | None) -> None:
        """A session without its last byte makes no video and ends by itself; a video that is there is its owner's."""

    async def _uploaded(self, entry: Entry, file: File, checkpoint: Checkpoint) -> str:
        wishes = wishes_of(entry)
        resource = video_resource(entry, self.api.account, wishes)
        upload = ResumableUpload(self.api, file, checkpoint, chunk_bytes=self.chunk_bytes)
        video_id = await upload.video_id(resource, notify_subscribers=wishes.notify_subscribers is not False)
        await checkpoint.save({"video_id": video_id})
        return video_id
