"""What an image's child has said counts, however the child ends."""

import json
from pathlib import Path
from typing import Any, cast

import pytest

from libs.media_type.content import Content
from libs.sandbox.output import Finished, OnLine
from libs.sandbox.preloaded import PreloadedPrograms
from services.transcoder.adapters.child import OUT_OF, ChildFailedError
from services.transcoder.adapters.image_inspector import ImageInspector, InspectedImage
from services.transcoder.domain.error import LimitExceededError, UnreadableMediaError
from services.transcoder.domain.media import MadeFile

FACTS = {"facts": {"format": "PNG", "width": 4, "height": 3}}
MADE = {"thumbnail": {"name": "thumbnail.jpg", "width": 4, "height": 3}}
PNG, SVG = Content("image/png", image_format="png"), Content("image/svg+xml", image_format="svg")


class Scripted:
    """Programs of which each says these lines, and then ends like this."""

    def __init__(self, lines: list[dict[str, Any]], finished: Finished) -> None:
        self._lines, self._finished = lines, finished

    async def run(self, *_program: object, on_line: OnLine, **_options: object) -> Finished:
        for line in self._lines:
            on_line(json.dumps(line))
        return self._finished


async def inspected(
    lines: list[dict[str, Any]], *, code: int = 0, out_of: Any = None, content: Content = PNG, wanted: bool = True
) -> InspectedImage:
    programs = cast(PreloadedPrograms, Scripted(lines, Finished(code, b"", "details", out_of=out_of)))
    return await ImageInspector(programs, 40_000_000).run(Path("in.bin"), content, Path("out") if wanted else None)


async def test_facts_and_thumbnail() -> None:
    found = await inspected([FACTS, MADE])

    assert found.info is not None
    assert (found.info.width, found.thumbnail, found.problem) == (4, MadeFile("thumbnail.jpg", 4, 3), None)


@pytest.mark.parametrize(
    ("more", "code", "out_of", "kind", "message"),
    [
        ([], -9, "time", LimitExceededError, OUT_OF.format("time")),
        ([], 1, "memory", LimitExceededError, OUT_OF.format("memory")),
        ([{"error": "out_of_memory"}], 0, None, LimitExceededError, OUT_OF.format("memory")),
        (
            [{"error": "too_large"}],
            0,
            None,
            LimitExceededError,
            "The file is larger than the 40 megapixels that are processed.",
        ),
        ([{"error": "unreadable"}], 0, None, UnreadableMediaError, "The file is damaged or not really image/png."),
        ([], -11, None, UnreadableMediaError, "The file is damaged or not really image/png."),
        ([], -9, None, ChildFailedError, "exit status -9: details"),
    ],
)
async def test_facts_survive_the_end_of_the_child(
    more: list[dict[str, Any]], code: int, out_of: Any, kind: type[Exception], message: str
) -> None:
    found = await inspected([FACTS, *more], code=code, out_of=out_of)

    assert found.info is not None and found.thumbnail is None
    assert (type(found.problem), str(found.problem)) == (kind, message)
    with pytest.raises(kind):
        await inspected(more, code=code, out_of=out_of)


async def test_no_limit_matters_where_nothing_was_to_be_made() -> None:
    found = await inspected([FACTS, {"error": "too_large"}], wanted=False)

    assert found.info is not None and found.problem is None


async def test_damage_matters_where_nothing_was_to_be_made() -> None:
    found = await inspected([FACTS, {"error": "unreadable"}], wanted=False)

    assert isinstance(found.problem, UnreadableMediaError)


async def test_a_drawing_that_shows_nothing_is_no_damage() -> None:
    assert await inspected([{"error": "unreadable"}], content=SVG) == InspectedImage(None)
