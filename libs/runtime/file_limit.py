"""How many files and connections this process may have open."""

import resource
from contextlib import suppress
from typing import Final

ENOUGH: Final = 65_536


def raise_file_limit() -> None:
    """Up to what the system allows: most begin with 1024, and each client, receiver and kept connection needs one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = ENOUGH if hard == resource.RLIM_INFINITY else min(hard, ENOUGH)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(ValueError, OSError):  # some kernels allow less than they say; then it stays as it is
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
