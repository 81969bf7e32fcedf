"""A program for the fork server that runs the Python code in its first argument."""

import sys


def main() -> None:
    exec(sys.argv[1], {})
