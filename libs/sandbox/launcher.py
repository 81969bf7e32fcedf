"""Confines itself, then becomes another program: `python -I -S launcher.py <limits as JSON> <program> <arguments>`.

A program of its own, run by path with the standard library alone, because limits must be set after the fork and before
the exec, where a threaded parent may run no Python (`preexec_fn` can deadlock). Linux only in what it isolates:

- a user namespace without capabilities and a network namespace without any interface (`"isolate": true`),
- death with the parent, so that kill -9 of the service leaves nothing running,
- limits of memory, processor time, file size and open files; no core dumps; no new privileges; low priority.

RLIMIT_NPROC is left alone: it counts all processes of the user, not those of this child.
"""

import ctypes
import json
import os
import resource
import signal
import sys

CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000
PR_SET_PDEATHSIG, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 1, 24, 38
LAST_CAPABILITY = 63
CANNOT_ISOLATE = 125
"""Exit status, as `env` and `nohup` use it: the program was never started."""


def main() -> None:
    limits = json.loads(sys.argv[1])
    depend_on(limits["parent"], is_isolated=limits["isolate"])
    limit(limits)
    os.execv(sys.argv[2], sys.argv[2:])  # noqa: S606


def depend_on(parent: int, *, is_isolated: bool) -> None:
    """Confines this process for good, and ends it with its `parent`. Exits with `CANNOT_ISOLATE` where that is not possible."""
    libc = ctypes.CDLL(None, use_errno=True)
    if is_isolated:
        isolate(libc)
    if sys.platform == "linux":
        libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:
            sys.exit(CANNOT_ISOLATE)  # the parent died before we could depend on it
    lower(resource.RLIMIT_CORE, 0)


def limit(limits: dict[str, int]) -> None:
    """The numbers of `libs.sandbox.sandbox.Limits`, from now on."""
    lower(resource.RLIMIT_AS, limits["memory_bytes"])
    lower(resource.RLIMIT_CPU, limits["cpu_seconds"], grace=5)  # SIGXCPU first, which tells; SIGKILL after it
    lower(resource.RLIMIT_FSIZE, limits["file_bytes"])
    lower(resource.RLIMIT_NOFILE, limits["open_files"])
    os.nice(limits["nice"])


def isolate(libc: ctypes.CDLL) -> None:
    """Leaves the network and every capability behind; exits with `CANNOT_ISOLATE` where the kernel does not allow it."""
    user, group = os.getuid(), os.getgid()
    if libc.unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0:
        sys.stderr.write(f"unshare: {os.strerror(ctypes.get_errno())}\n")
        sys.exit(CANNOT_ISOLATE)
    for name, line in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
        with open(f"/proc/self/{name}", "w") as file:  # noqa: PTH123
            file.write(line)
    for capability in range(LAST_CAPABILITY + 1):
        if libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0:
            break  # past the last one that this kernel knows
    version_3, nobody = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
    if libc.capset(version_3, nobody) != 0:  # exec would take them away, too, but not every program of ours is one
        sys.exit(CANNOT_ISOLATE)


def lower(kind: int, value: int, grace: int = 0) -> None:
    """Sets the soft limit and, `grace` above it, the hard one, to no more than what we have."""
    most = resource.getrlimit(kind)[1]
    soft, hard = (number if most == resource.RLIM_INFINITY else min(number, most) for number in (value, value + grace))
    resource.setrlimit(kind, (soft, hard))


if __name__ == "__main__":
    main()
