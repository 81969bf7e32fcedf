"""Opens images in sandboxed children of our own and reads their answers."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from contracts.events import ImageInfo
from libs.media_type.content import Content
from libs.sandbox.preloaded import PreloadedPrograms
from libs.sandbox.sandbox import Limits
from services.transcoder.adapters import program
from services.transcoder.adapters.child import find_problem
from services.transcoder.domain.error import LimitExceededError, UnreadableMediaError
from services.transcoder.domain.media import MadeFile

LIMITS: Final = Limits(wall_seconds=60, memory_bytes=2 << 30, cpu_seconds=60, file_bytes=1 << 30)
"""The thumbnail is small; what libvips cannot hold in memory goes to a file meanwhile."""
THUMBNAIL_EDGE: Final = 512


@dataclass(frozen=True)
class InspectedImage:
    info: ImageInfo | None
    """None for a drawing (SVG) that shows nothing."""
    thumbnail: MadeFile | None = None
    problem: Exception | None = None
    """Why there is no thumbnail where one was wanted, or why it cannot be: MediaError, or ChildFailedError, which may pass."""


@dataclass(frozen=True)
class ImageInspector:
    programs: PreloadedPrograms
    max_pixels: int
    limits: Limits = LIMITS

    async def run(self, path: Path, content: Content, output: Path | None) -> InspectedImage:
        """What the image is, and its thumbnail in the folder `output` where that is given.

        Raises UnreadableMediaError, LimitExceededError or ChildFailedError where not even the first is to be known.
        """
        answer, problem = await self._ask(path, content, output)
        if output is None and isinstance(problem, LimitExceededError):
            problem = None  # nothing was to be made, so that nothing was too much
        if content.image_format == "svg" and isinstance(problem, UnreadableMediaError):
            problem = None  # whoever cannot see it may still read it: a sprite, for one, shows nothing by itself
        if "facts" not in answer and problem is not None:
            raise problem
        info = ImageInfo.model_validate(answer["facts"]) if "facts" in answer else None
        made = answer.get("thumbnail")
        return InspectedImage(info, MadeFile(**made) if made else None, problem)

    async def _ask(self, path: Path, content: Content, output: Path | None) -> tuple[dict[str, Any], Exception | None]:
        """The child's lines, together, and why there are no more."""
        answer: dict[str, Any] = {}
        arguments = [str(path), str(content.image_format), str(self.max_pixels), str(THUMBNAIL_EDGE), str(output or "-")]
        finished = await self.programs.run(
            program.IMAGE, arguments, folder=path.parent, limits=self.limits,
            on_line=lambda line: answer.update(json.loads(line)),
        )  # fmt: skip
        return answer, find_problem(finished, answer.get("error"), content.mime_type, self.max_pixels)
