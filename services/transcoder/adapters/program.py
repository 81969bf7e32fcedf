"""The programs that open strangers' files, imported once for all of them."""

from typing import Final

from libs.image import DECODERS, VARIABLES
from libs.sandbox.preloaded import PreloadedPrograms
from libs.sandbox.sandbox import Sandbox

IMAGE: Final = "services.transcoder.adapters.image_child"
MEDIA: Final = "services.transcoder.adapters.media_child"


def preload(sandbox: Sandbox) -> PreloadedPrograms:
    return PreloadedPrograms(sandbox, (IMAGE, MEDIA, *DECODERS), VARIABLES)
