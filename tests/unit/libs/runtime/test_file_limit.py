"""A process may open as many files as the system allows."""

import subprocess
import sys

PROGRAM = """
import resource
from libs.runtime.file_limit import raise_file_limit
resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard}))
raise_file_limit()
print(*resource.getrlimit(resource.RLIMIT_NOFILE))
"""


def _limits_after(soft: int, hard: int) -> list[int]:
    command = [sys.executable, "-c", PROGRAM.format(soft=soft, hard=hard)]
    return [int(word) for word in subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout.split()]


def test_soft_limit_is_raised_to_the_hard_one() -> None:
    assert _limits_after(256, 800) == [800, 800]


def test_limit_that_is_high_enough_stays() -> None:
    assert _limits_after(800, 800) == [800, 800]
