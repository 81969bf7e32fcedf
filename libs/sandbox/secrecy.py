"""Keeps this process's secrets from the programs that it runs.

Where no namespaces are to be had, ffmpeg and the decoders are of the same user as we are, and Linux lets a user read the
environment and the memory of their own processes through /proc: with them every password. Not of one that may not be dumped.
"""

import ctypes
import sys

import structlog

PR_SET_DUMPABLE = 4
"""prctl(2), proc(5); a program that is started becomes dumpable again, so this is ours alone."""

log = structlog.get_logger()


def hide_from_children() -> None:
    """For the rest of this process's life; it writes no core dumps either. Linux only, elsewhere nothing happens."""
    if sys.platform == "linux" and ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
        log.warning("secrecy.refused")
