"""Chains of image operations, as they stand in addresses: which forms are taken, and what is said of others."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.domain.image.argument import OperationError
from services.gateway.domain.image.catalogue import OPERATIONS
from services.gateway.domain.image.operation import Settings
from services.gateway.domain.image.parsing import parse_operations
from services.gateway.domain.image.photo_filter import LOOKS
from services.gateway.domain.image.transformation import Transformation


def steps(path: str) -> list[str]:
    return [str(step) for step in parse_operations(path).transformation.steps]


def settings(path: str) -> Settings:
    return parse_operations(path).transformation.settings


STEPS = [
    ("preview/", "preview/2048x2048"),
    ("preview/300x500/", "preview/300x500"),
    ("resize/300x500/", "resize/300x500"),
    ("resize/300x/", "resize/300x"),
    ("resize/x0500/", "resize/x500"),
    ("resize/3000x3000/", "resize/3000x3000"),
    ("scale_crop/76x76/", "scale_crop/76x76/0,0"),
    ("scale_crop/76x76/center/", "scale_crop/76x76/50p,50p"),
    ("scale_crop/76x76/right/", "scale_crop/76x76/100p,50p"),
    ("scale_crop/10x20/5,6/", "scale_crop/10x20/5,6"),
    ("scale_crop/10x20/5p,6%/", "scale_crop/10x20/5p,6p"),
    ("scale_crop/10x20/33.3p,0p/", "scale_crop/10x20/33.3p,0"),
    ("scale_crop/10x20/smart/", "scale_crop/10x20/smart"),
    ("scale_crop/10x20/smart_faces_objects/center/", "scale_crop/10x20/smart"),
    ("scale_crop/10x20/smart_points/10p,20p/", "scale_crop/10x20/smart"),
    ("crop/10x20/", "crop/10x20/0,0"),
    ("crop/10x20/center/", "crop/10x20/50p,50p"),
    ("crop/10x20/top/", "crop/10x20/50p,0"),
    ("crop/10x20/bottom/", "crop/10x20/50p,100p"),
    ("crop/10x20/left/", "crop/10x20/0,50p"),
    ("crop/10x20/-5,6/", "crop/10x20/-5,6"),
    ("crop/50px100%/7,50p/", "crop/50px100p/7,50p"),
    ("crop/16:9/", "crop/16:9/50p,50p"),
    ("crop/4:2/top/", "crop/2:1/50p,0"),
    ("crop/image/", "crop/image/50p,50p"),
    ("crop/image/1:1/50px50p/left/", "crop/image/1:1/50px50p/0,50p"),
    ("crop/image/50px50p/", "crop/image/50px50p/50p,50p"),
    ("crop/smart/1:1/", "crop/smart/1:1"),
    ("crop/smart_faces/80px80p/top/", "crop/smart/80px80p"),
    ("rotate/90/", "rotate/90"),
    ("rotate/-90/", "rotate/270"),
    ("rotate/450/", "rotate/90"),
    ("flip/", "flip"),
    ("mirror/", "mirror"),
    ("smart_resize/40x30/", "smart_resize/40x30"),
    ("zoom_objects/100/", "zoom_objects/100"),
    ("trim/", "trim/10/0"),
    ("trim/20/5p/", "trim/20/5p"),
    ("border_radius/10/", "border_radius/10,10,10,10"),
    ("border_radius/1,2/", "border_radius/1,2,1,2"),
    ("border_radius/1,2,3/", "border_radius/1,2,3,2"),
    ("border_radius/1,2,3,50p/7%/", "border_radius/1,2,3,50p/7p,7p,7p,7p"),
    ("brightness/-100/", "brightness/-100"),
    ("brightness/100/", "brightness/100"),
    ("exposure/-500/", "exposure/-500"),
    ("exposure/500/", "exposure/500"),
    ("gamma/0/", "gamma/0"),
    ("gamma/1000/", "gamma/1000"),
    ("contrast/-100/", "contrast/-100"),
    ("contrast/500/", "contrast/500"),
    ("saturation/-100/", "saturation/-100"),
    ("saturation/500/", "saturation/500"),
    ("vibrance/-100/", "vibrance/-100"),
    ("vibrance/500/", "vibrance/500"),
    ("warmth/-100/", "warmth/-100"),
    ("warmth/100/", "warmth/100"),
    ("enhance/", "enhance/50"),
    ("enhance/100/", "enhance/100"),
    ("grayscale/", "grayscale"),
    ("invert/", "invert"),
    *((f"filter/{name}/", f"filter/{name}/100") for name in LOOKS),
    ("filter/zevcen/-100/", "filter/zevcen/-100"),
    ("filter/zevcen/200/", "filter/zevcen/200"),
    ("blur/", "blur/10/100"),
    ("blur/0/", "blur/0/100"),
    ("blur/5000/", "blur/5000/100"),
    ("blur/50/-200/", "blur/50/-200"),
    ("blur_region/30x20/5,6/", "blur_region/30x20/5,6"),
    ("blur_region/30px80p/50p,10p/20/", "blur_region/30px80p/50p,10p/20"),
    ("sharp/", "sharp/5"),
    ("sharp/20/", "sharp/20"),
]


@pytest.mark.parametrize(("path", "step"), STEPS)
def test_an_operation_is_read_with_its_arguments(path: str, step: str) -> None:  # U-05
    assert steps(path) == [step]


NEUTRAL = [
    "brightness/0/", "exposure/0/", "gamma/100/", "contrast/0/", "saturation/0/", "vibrance/0/", "warmth/0/", "enhance/0/",
    "sharp/0/", "rasterize/",
]  # fmt: skip


@pytest.mark.parametrize("path", NEUTRAL)
def test_what_changes_nothing_is_no_step(path: str) -> None:
    parsed = parse_operations(path)

    assert parsed.transformation == Transformation() and parsed.needs_image


SETTINGS = [
    ("format/jpeg/", Settings(format="jpeg")),
    ("format/png/", Settings(format="png")),
    ("format/webp/", Settings(format="webp")),
    ("format/avif/", Settings(format="avif")),
    ("format/preserve/", Settings(format="preserve")),
    ("format/auto/", Settings()),
    ("quality/smart_retina/", Settings(quality="smart_retina")),
    ("quality/lightest/", Settings(quality="lightest")),
    ("progressive/yes/", Settings(progressive=True)),
    ("progressive/no/", Settings()),
    ("strip_meta/none/", Settings(strip_meta="none")),
    ("strip_meta/sensitive/", Settings(strip_meta="sensitive")),
    ("strip_meta/all/", Settings()),
    ("srgb/icc/", Settings(srgb="icc")),
    ("srgb/keep_profile/", Settings(srgb="keep_profile")),
    ("srgb/fast/", Settings()),
    ("max_icc_size/10/", Settings(max_icc_size=10)),
    ("autorotate/no/", Settings(autorotate=False)),
    ("setfill/FA0/", Settings(setfill="ffaa00")),
    ("setfill/11223344/", Settings(setfill="11223344")),
    ("stretch/fill/", Settings(stretch="fill")),
    ("format/png/-/format/jpeg/-/quality/best/-/quality/better/", Settings(format="jpeg", quality="better")),
]


@pytest.mark.parametrize(("path", "expected"), SETTINGS)
def test_the_last_word_on_the_encoding_counts(path: str, expected: Settings) -> None:
    assert settings(path) == expected


def test_every_operation_is_tried_here() -> None:
    tried = {path.partition("/")[0] for path, _ in [*STEPS, *SETTINGS]} | {path.partition("/")[0] for path in NEUTRAL}

    assert set(OPERATIONS) - tried == {"@clib", "inline", "json", "main_colors"}


def test_every_operation_is_documented() -> None:
    page = (Path(__file__).parents[6] / "docs" / "image-operations.md").read_text()

    assert [name for name in (*OPERATIONS, *LOOKS) if re.search(rf"`{name}\b", page) is None] == []


def test_steps_keep_their_order() -> None:
    chain = "resize/9x/-/grayscale/-/crop/2x2/-/rotate/90/-/resize/5x/"

    assert steps(chain) == ["resize/9x", "grayscale", "crop/2x2/0,0", "rotate/90", "resize/5x"]


def test_stretch_and_setfill_count_for_what_follows_them() -> None:
    path = (
        "resize/9x/-/stretch/off/-/resize/8x/-/setfill/f00/-/stretch/fill/-/scale_crop/6x6/-/crop/5x5/-/stretch/on/-/resize/1x/"
    )
    read = parse_operations(path).transformation.steps

    assert [step.stretch for step in read] == ["on", "off", "fill", None, "on"]
    assert [step.setfill for step in read] == [None, None, "ff0000", "ff0000", None]


# ---------------------------------------------------------------- what is not about the pixels


def test_which_component_asks_changes_nothing() -> None:
    plain = parse_operations("resize/800x/-/quality/normal/")
    editor = "resize/800x/-/@clib/blocks/1.33.2/uc-cloud-image-editor/-/quality/normal/"

    assert parse_operations(editor).transformation == plain.transformation
    assert not parse_operations("@clib/blocks/1.33.2/uc-img").needs_image


@pytest.mark.parametrize(("path", "inline"), [("inline/yes/", True), ("inline/no/", False), ("@clib/a/b/c/", None)])
def test_how_the_answer_is_delivered_is_read_beside_the_transformation(path: str, inline: bool | None) -> None:
    for whole in (path, f"{path}-/resize/5x/"):
        parsed = parse_operations(whole)
        assert parsed.inline is inline
        assert parsed.needs_image == ("resize" in whole)
    assert parsed.transformation == parse_operations("resize/5x/").transformation


@pytest.mark.parametrize("path", ["json/", "json", "main_colors/", "main_colors/1/", "main_colors/256/"])
def test_a_report_is_about_what_stands_before_it(path: str) -> None:
    alone, after = parse_operations(path), parse_operations(f"resize/9x/-/format/png/-/{path.rstrip('/')}/-/crop/1x1/")

    assert alone.transformation.report is not None and alone.path_before_report == ""
    assert str(after.transformation.report) == str(alone.transformation.report)
    assert [str(step) for step in after.transformation.steps] == ["resize/9x"]
    assert after.path_before_report == "resize/9x/-/format/png"
    with pytest.raises(OperationError):
        parse_operations("json/-/crop/nonsense/")


# ---------------------------------------------------------------- file names


@pytest.mark.parametrize(
    ("path", "file_name"),
    [
        ("resize/100x/", None),
        ("resize/100x", None),
        ("preview", None),
        ("preview/image.jpg", "image.jpg"),
        ("preview/300x300", None),
        ("resize/100x/photo", "photo"),
        ("resize/100x/ein Bild.png", "ein Bild.png"),
        ("scale_crop/10x10/center", None),
        ("scale_crop/10x10/center/center", "center"),
        ("format/jpeg/-/preview//x", "x"),
        ("json/facts.json", "facts.json"),
        ("@clib/a/b/c", None),
        ("@clib/a/b/c/d.png", "d.png"),
    ],
)
def test_a_word_at_the_end_is_a_file_name_where_it_is_no_argument(path: str, file_name: str | None) -> None:
    assert parse_operations(path).file_name == file_name


EQUAL = [
    ("preview/", "preview", "preview/2048x2048/", "format/auto/-/preview/-/quality/normal/", "stretch/off/-/preview/a.jpg"),
    ("crop/5x5/", "crop/05x5/0,0/", "crop/5x5/0p,0/"),
    ("crop/5x5/center/", "crop/5x5/50p,50%/"),
    ("scale_crop/5x5/smart/", "scale_crop/5x5/smart_points/center"),
    ("stretch/fill/-/setfill/F00/-/resize/5x5/", "setfill/ff0000/-/stretch/fill/-/resize/5x5/"),
    ("crop/16:9/", "crop/32:18/center/"),
    ("rotate/90/", "rotate/-270/", "rotate/0090/"),
    ("border_radius/5/", "border_radius/5,5,5,5/"),
    ("enhance/", "enhance/50/", "enhance/050/"),
    ("grayscale/", "grayscale/-/@clib/blocks/1.33.2/uc-img/", "inline/no/-/grayscale/", "brightness/0/-/grayscale/"),
]


@pytest.mark.parametrize("paths", EQUAL)
def test_equal_chains_are_kept_as_one(paths: tuple[str, ...]) -> None:
    assert len({parse_operations(path).transformation.canonical for path in paths}) == 1


DIFFERENT = [
    "preview/", "preview/9x9/", "resize/9x9/", "resize/9x/", "resize/x9/", "stretch/off/-/resize/9x9/", "scale_crop/9x9/",
    "scale_crop/9x9/center/", "scale_crop/9x9/1,1/", "scale_crop/9x9/1p,1/", "scale_crop/9x9/smart/", "crop/9x9/", "crop/9px9/",
    "setfill/f00/-/crop/9x9/", "crop/9x9/-/setfill/f00/", "crop/2x2/-/resize/9x/", "resize/9x/-/crop/2x2/", "format/png/",
    "quality/best/", "autorotate/no/", "setfill/f00/", "setfill/ff000080/", "progressive/yes/", "strip_meta/none/",
    "srgb/keep_profile/", "max_icc_size/5/", "crop/9:8/", "crop/image/9:8/", "crop/smart/9:8/", "rotate/90/", "flip/",
    "mirror/", "mirror/-/rotate/90/", "rotate/90/-/mirror/", "smart_resize/9x9/", "border_radius/9/", "border_radius/9p/",
    "brightness/9/", "contrast/9/", "brightness/9/-/contrast/9/", "contrast/9/-/brightness/9/", "filter/zevcen/",
    "filter/zevcen/99/", "blur/9/", "blur/9/9/", "blur_region/9x9/0,0/", "blur_region/9x9/0,0/9/", "sharp/9/", "json/",
    "main_colors/9/", "trim/9/", "trim/9/9/", "zoom_objects/9/",
]  # fmt: skip


def test_different_chains_are_kept_apart() -> None:
    assert len({parse_operations(path).transformation.canonical for path in DIFFERENT}) == len(DIFFERENT)


WORDS = [
    "preview", "preview/9x8", "resize/x7", "scale_crop/6x5/1,2p", "scale_crop/3x4/smart", "crop/2px3/center", "crop/1x1",
    "setfill/012", "stretch/off", "stretch/fill", "stretch/on", "format/png", "quality/best", "autorotate/no", "rotate/90",
    "crop/4:3/left", "crop/image/4:3/50px50p", "border_radius/1,2p/3", "brightness/-7", "filter/zevcen/50", "blur/5/-9",
    "blur_region/5x5p/1,2p", "strip_meta/none", "srgb/icc", "max_icc_size/7", "progressive/yes", "trim/5/2p", "@clib/a/b/c",
]  # fmt: skip


@given(st.lists(st.sampled_from(WORDS), min_size=1, max_size=12))
def test_the_canonical_form_reads_as_the_same_transformation(operations: list[str]) -> None:
    transformation = parse_operations("/-/".join(operations) + "/").transformation
    again = parse_operations(f"{transformation.canonical}/").transformation

    assert again.canonical == transformation.canonical
    assert (again.steps, again.report) == (transformation.steps, transformation.report)
    assert again.settings == replace(transformation.settings, stretch=again.settings.stretch)  # all steps know theirs


@given(st.text(max_size=60))
def test_nothing_but_a_transformation_or_a_refusal_comes_of_any_text(path: str) -> None:
    try:
        assert isinstance(parse_operations(path).transformation, Transformation)
    except OperationError as error:
        assert error.message


SHAPES = st.sampled_from(
    [*OPERATIONS, "-", "10x10", "5p,5", "-9", "90", "1:2", "face", "smart", "center", "yes", "zevcen", "x"]
)


@given(st.lists(SHAPES, min_size=1, max_size=8))
def test_arguments_in_any_order_are_taken_or_refused(words: list[str]) -> None:
    try:
        assert parse_operations("/".join(words) + "/").transformation.canonical
    except OperationError as error:
        assert error.message
