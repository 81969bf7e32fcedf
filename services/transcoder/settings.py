"""Settings of the transcoder."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from libs.runtime.settings import ServiceSettings


class Settings(ServiceSettings):
    sandbox: Literal["strict", "auto"] = "strict"
    """`strict` refuses to start where media cannot be cut off from the network; `auto` warns and goes on."""
    transcoder_jobs: int = Field(default=2, ge=1, le=64)
    """Videos transcoded at the same time."""
    transcoder_quick_jobs: int = Field(default=2, ge=1, le=64)
    """Images, sounds and other short work done at the same time; videos never hold them up."""
    transcoder_work_dir: Path | None = None
    """Where files lie while they are processed; default `<data_dir>/transcoder`."""
    transcoder_lease_seconds: float = Field(default=30, gt=0)
    """After a worker died, another takes its job over this much later."""
    transcoder_threads: int = Field(default=2, ge=1, le=64)
    """Threads of one ffmpeg process."""
    transcoder_max_pixels: int = Field(default=40_000_000, gt=0)
    """Largest video frame."""
    transcoder_max_image_pixels: int = Field(default=100_000_000, gt=0)
    """Largest image that gets a thumbnail; what it is, is known of any."""
    transcoder_max_duration_seconds: float = Field(default=4 * 3600, gt=0)
    """Longest video that is transcoded."""
    transcoder_max_seconds: float = Field(default=2 * 3600, gt=0)
    """Wall clock time of one transcoding."""
    transcoder_max_memory_bytes: int = Field(default=3 << 30, gt=0)
    """Address space of one ffmpeg process."""
    transcoder_max_output_bytes: int = Field(default=20 << 30, gt=0)
    """All renditions of one file together."""
    transcoder_forget_days: float = Field(default=30, gt=0)
    """How long it is remembered that a file was removed; longer than any event about it may be on its way."""

    @property
    def work_dir(self) -> Path:
        return self.transcoder_work_dir or self.data_dir / "transcoder"
