"""A program of the same user cannot read what the process that started it knows."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[4]
SECRET = "LONGSHORE_SECRET_KEY"

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")

CHILD_READS = f"""
import ctypes, os
from libs.sandbox.secrecy import hide_from_children

def child_reads():
    child = os.fork()
    if child == 0:
        try:
            with open(f"/proc/{{os.getppid()}}/environ", "rb") as environment:
                os._exit(b"{SECRET}=known" in environment.read())
        except PermissionError:
            os._exit(0)
    return bool(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))

if os.getuid() == 0:  # root reads everything
    os.setgroups([])
    os.setresgid(65534, 65534, 65534)
    os.setresuid(65534, 65534, 65534)
ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)  # PR_SET_DUMPABLE, as in any process; a change of the user takes it away
before = child_reads()
hide_from_children()
print(before, child_reads())
"""

BUILD = """
import ctypes, pathlib, sys
from cryptography.fernet import Fernet
from libs.object_store.disk import DiskStore
from services.{service}.app import build
from services.{service}.settings import Settings

folder = pathlib.Path(sys.argv[1])
settings = Settings(postgres_dsn="postgresql:///", data_dir=folder, secret_key=Fernet.generate_key().decode())
build(settings, DiskStore(folder, "http://127.0.0.1", "secret"))
print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))  # PR_GET_DUMPABLE
"""


def printed(code: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=ROOT,
        env=os.environ | {SECRET: "known"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]


def test_a_child_of_the_same_user_reads_no_environment_any_more() -> None:
    assert printed(CHILD_READS) == "True False"


@pytest.mark.parametrize("service", ["gateway", "transcoder"])
def test_a_service_hides_itself_and_still_confines_its_children(service: str, tmp_path: Path) -> None:
    assert printed(BUILD.format(service=service), str(tmp_path)) == "0"
