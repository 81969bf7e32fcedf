"""The README's examples, as printed."""

import re
import subprocess
from pathlib import Path

from tests.e2e.platform import Platform

README = Path(__file__).parent.parent.parent / "README.md"


def test_the_curl_examples_work_as_printed(shared_platform: Platform, tmp_path: Path) -> None:
    # E-01, J-23, T-25, U-06, U-32
    (tmp_path / ".data").symlink_to(shared_platform.data_dir)
    blocks = re.findall(r"<!-- test: curl -->\n```sh\n(.*?)```", README.read_text(), re.DOTALL)
    assert len(blocks) >= 6

    script = "\n".join(["set -euo pipefail", *blocks])
    ran = subprocess.run(["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=100, check=False)

    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.count("id,name\n1,Ada\n") == 3, ran.stdout
    assert '"success":true' in ran.stdout.replace(" ", "")
    assert '"files_count":1' in ran.stdout.replace(" ", "")
    assert "processing.completed.v1" in ran.stdout
