"""`make rows`: which rows of the acceptance table are named by which tests, and in which forms of the platform these run.

A test names a row in a comment at, in or above it: `# E-11`, `# J-02, J-19`. `python -m tests.rows` prints the list and fails
when a row of a finished API is named nowhere, or by no test that runs in both forms (standalone and many processes).
"""

import ast
import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FINISHED = {"E": 22, "J": 23, "M": 29, "T": 30, "U": 46, "U-E": 90}
"""Beginning of the rows of an API → their number."""

ROW = re.compile(r"\b([EJMTU]-E?\d{2})\b")

FORMS = {"gateway", "api", "keys", "client", "shared_platform", "project", "uploadcare"}
"""Fixtures that come in both forms, in the folders below; see `pytest_generate_tests` of the dialects for the exceptions."""
COMPOSED = {"make_gateway", "monkeypatch", "scanned"}


@dataclass(frozen=True)
class Place:
    where: str
    """`file:line`"""
    in_both_forms: bool


def required() -> list[str]:
    return [f"{start}-{number:02}".replace("-E-", "-E") for start, count in FINISHED.items() for number in range(1, count + 1)]


def named(folder: Path) -> dict[str, list[Place]]:
    """Row → places of the comments that name it."""
    places: dict[str, list[Place]] = defaultdict(list)
    for path in sorted(folder.rglob("test_*.py")):
        in_both_forms = _in_both_forms(path, folder)
        tests = [function for function in _functions(path) if function.name in in_both_forms]
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            _code, _hash, comment = line.partition("#")
            for row in ROW.findall(comment):
                test = next((test.name for test in tests if number <= (test.end_lineno or 0)), "")
                place = Place(f"{path.relative_to(folder.parent)}:{number}", in_both_forms.get(test, False))
                places[row].append(place)
    return places


def _functions(path: Path) -> Iterator[ast.AsyncFunctionDef | ast.FunctionDef]:
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.AsyncFunctionDef | ast.FunctionDef):
            yield node


def _arguments(function: ast.AsyncFunctionDef | ast.FunctionDef) -> set[str]:
    return {argument.arg for argument in function.args.args}


def _in_both_forms(path: Path, folder: Path) -> dict[str, bool]:
    """Test of the file → whether it runs so."""
    part = path.relative_to(folder).parts
    functions = list(_functions(path))
    composed = COMPOSED | {function.name for function in functions if COMPOSED & _arguments(function)}

    def runs(test: ast.AsyncFunctionDef | ast.FunctionDef) -> bool:
        marked = any(ast.unparse(mark).endswith("mark.composed") for mark in test.decorator_list)
        here = marked or composed & _arguments(test)
        return bool(FORMS & _arguments(test)) and (part[0] == "e2e" or (part[:2] == ("contract", "dialects") and not here))

    return {function.name: runs(function) for function in functions if function.name.startswith("test_")}


def main() -> int:
    places = named(Path(__file__).parent)
    for row in sorted({*places, *required()}):
        print(f"{row}  {', '.join(place.where for place in places.get(row, [])) or '-'}")
    nowhere = [row for row in required() if row not in places]
    in_one_form = [row for row in required() if row in places and not any(place.in_both_forms for place in places[row])]
    if nowhere:
        print(f"named by no test: {', '.join(nowhere)}", file=sys.stderr)
    if in_one_form:
        print(f"named by no test that runs in both forms: {', '.join(in_one_form)}", file=sys.stderr)
    return 1 if nowhere or in_one_form else 0


if __name__ == "__main__":
    sys.exit(main())
