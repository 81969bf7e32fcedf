"""How HEIF turns its picture."""

import io
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from libs.image.heif import orientation
from tests.image_files.heic import heic

TURNED = heic(Image.new("RGB", (64, 32)), orientation=6)


def avif(turned: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = turned
    file = io.BytesIO()
    Image.new("RGB", (40, 20)).save(file, "AVIF", exif=exif)
    return file.getvalue()


@pytest.mark.parametrize("turned", range(2, 9))
def test_every_turn_and_mirror_has_its_number(tmp_path: Path, turned: int) -> None:
    path = tmp_path / "source"
    path.write_bytes(avif(turned))

    assert orientation(str(path)) == turned


@pytest.mark.parametrize("content", [b"", b"no boxes", heic(Image.new("RGB", (64, 32))), TURNED[:200], TURNED[:30]])
def test_none_where_nothing_is_said(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "source"
    path.write_bytes(content)

    assert orientation(str(path)) is None


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_boxes_raise_nothing(tmp_path: Path, data: st.DataObject) -> None:
    content = bytearray(TURNED[:600])
    for at in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=20)):
        content[at] = data.draw(st.integers(0, 255))
    path = tmp_path / "source"
    path.write_bytes(content)

    assert orientation(str(path)) in (None, *range(1, 9))
