"""Makes images of images in sandboxed children of our own: the gateway itself decodes nothing."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import structlog

from libs.image import DECODERS, VARIABLES
from libs.media_type.content import ImageFormat
from libs.sandbox.output import Finished
from libs.sandbox.preloaded import PreloadedPrograms
from libs.sandbox.sandbox import Limits, Sandbox
from libs.web.route import HttpError
from services.gateway.domain.image.transformation import Transformation
from services.gateway.domain.picture import CONTENT_TYPES

PROGRAM: Final = "services.gateway.files.image_child"
OUT_OF: Final = "Processing the image takes more {} than one image may take."
REPORT_TYPE: Final = "application/json"
SIGNALS_OF_A_CRASH: Final = (-6, -7, -8, -11)

log = structlog.get_logger()


class ImageError(HttpError):
    """The file cannot be processed as asked; it would be the same the next time."""

    code = "image_refused"


class NotAnImageError(ImageError):
    status = 415
    code = "not_an_image"


class ImageChildError(Exception):
    """A child of ours ended without an answer for a reason that is not the file's: no disk space, killed for its memory."""

    code = "child_failed"


def preload(sandbox: Sandbox) -> PreloadedPrograms:
    return PreloadedPrograms(sandbox, (PROGRAM, *DECODERS), VARIABLES)


@dataclass(frozen=True)
class Made:
    path: Path
    content_type: str


@dataclass(frozen=True)
class ImageMaker:
    programs: PreloadedPrograms
    limits: Limits
    max_pixels: int
    max_result_bytes: int

    async def make(self, source: Path, picture: ImageFormat, transformation: Transformation, *, accepts_webp: bool) -> Made:
        """An image, or the facts that a report asks for, in a file beside `source`. Raises ImageError or ImageChildError."""
        result = source.with_name("result")
        order = {
            "path": str(source),
            "picture": picture,
            "operations": f"{transformation.canonical}/",
            "accepts_webp": accepts_webp,
            "max_pixels": self.max_pixels,
            "result": str(result),
        }
        finished = await self.programs.run(PROGRAM, [json.dumps(order)], folder=source.parent, limits=self.limits)
        answer = self._answer(finished)
        if result.stat().st_size > self.max_result_bytes:
            raise ImageError("The result would be larger than a result may be.")
        return Made(result, REPORT_TYPE if answer["format"] == "json" else CONTENT_TYPES[answer["format"]])

    def _answer(self, finished: Finished) -> dict[str, Any]:
        if finished.out_of is not None:
            raise ImageError(OUT_OF.format(finished.out_of))
        if finished.code != 0 and finished.code not in SIGNALS_OF_A_CRASH:
            log.error("image.child_failed", code=finished.code, detail=finished.stderr[-300:])
            raise ImageChildError
        answer: dict[str, Any] = json.loads(finished.stdout) if finished.code == 0 else {"error": "unreadable"}
        if error := answer.get("error"):
            log.info("image.refused", error=error, detail=finished.stderr[-300:])
            raise ImageError(self._message(error))
        return answer

    def _message(self, error: str) -> str:
        messages = {
            "too_large": f"The image is too large: at most {self.max_pixels / 1e6:.0f} megapixels are processed.",
            "out_of_memory": OUT_OF.format("memory"),
            "result_too_large": "The result would have too many pixels; add a resize, scale_crop or preview operation.",
            "unreadable": "The image is damaged or in a variant that cannot be processed.",
        }
        return messages[error]
