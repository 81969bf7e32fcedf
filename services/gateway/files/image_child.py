"""Makes one image of another, as the JSON in its only argument says. Runs in the sandbox, preloaded.

That order: `path`, `picture` (its format), `operations` (canonical), `accepts_webp`, `max_pixels` and `result` (a path). The
answer: `{"format"}`, `json` where the operations ask for facts, or `{"error": …}`: `libs.image.error.ImageErrorCode`, or
result_too_large.

`libs.image` opens files, by the loader for what they are and no other; `image_pipeline` applies the operations, and
`image_encoder` writes the result.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from libs.image.error import error_code
from libs.image.source import open_image
from services.gateway.domain.image.action import ResultTooLargeError
from services.gateway.domain.image.operation import Report
from services.gateway.domain.image.parsing import parse_operations
from services.gateway.files.image_encoder import chosen_format, save
from services.gateway.files.image_pipeline import render


def main() -> None:
    order = json.loads(sys.argv[1])
    try:
        answer = make(order)
    except ResultTooLargeError:
        answer = {"error": "result_too_large"}
    except Exception as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        answer = {"error": error_code(error)}
    json.dump(answer, sys.stdout)


def make(order: Mapping[str, Any]) -> dict[str, Any]:
    transformation = parse_operations(order["operations"]).transformation
    settings, report = transformation.settings, transformation.report
    source = open_image(
        order["path"],
        order["picture"],
        order["max_pixels"],
        autorotate=settings.autorotate,
        kept_profile_bytes=settings.kept_profile_bytes,
    )
    image = render(source, transformation.steps)
    chosen = chosen_format(settings.format, order["picture"], image, accepts_webp=order["accepts_webp"])
    if report is None:
        save(image, order["result"], chosen, settings)
        return {"format": chosen}
    assert isinstance(report.operation, Report)
    found = report.operation.measure(image, *report.values)
    color_mode = "RGBA" if image.hasalpha() and chosen != "jpeg" else "RGB"
    facts = {"format": chosen.upper(), "width": image.width, "height": image.height, "color_mode": color_mode, **found}
    Path(order["result"]).write_text(json.dumps(facts))
    return {"format": "json"}
