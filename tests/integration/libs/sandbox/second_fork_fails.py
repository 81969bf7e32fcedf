"""Once imported, the second process cannot be forked, as where a container has as many as it may have."""

import errno
import os
from itertools import count

_numbers, _fork = count(1), os.fork


def fork() -> int:
    if next(_numbers) == 2:
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))
    return _fork()


os.fork = fork
