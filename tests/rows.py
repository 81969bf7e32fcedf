"""`make rows`: which rows of the acceptance table are named by which tests.

A test names a row in a comment at or above it: `# E-11`, `# J-02, J-19`. `python -m tests.rows` prints the list and fails when
a row of a finished API is named nowhere.
"""

import re
import sys
from collections import defaultdict
from pathlib import Path

FINISHED = {"E": 22, "J": 23, "M": 29, "T": 30, "U": 46, "U-E": 90}
"""Beginning of the rows of an API → their number."""

ROW = re.compile(r"\b([EJMTU]-E?\d{2})\b")


def required() -> list[str]:
    return [f"{start}-{number:02}".replace("-E-", "-E") for start, count in FINISHED.items() for number in range(1, count + 1)]


def named(folder: Path) -> dict[str, list[str]]:
    """Row → places (`file:line`) of the comments that name it."""
    places: dict[str, list[str]] = defaultdict(list)
    for path in sorted(folder.rglob("test_*.py")):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            _code, _hash, comment = line.partition("#")
            for row in ROW.findall(comment):
                places[row].append(f"{path.relative_to(folder.parent)}:{number}")
    return places


def main() -> int:
    places = named(Path(__file__).parent)
    missing = [row for row in required() if row not in places]
    for row in sorted({*places, *required()}):
        print(f"{row}  {', '.join(places.get(row, ['-']))}")
    if missing:
        print(f"named by no test: {', '.join(missing)}", file=sys.stderr)
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
