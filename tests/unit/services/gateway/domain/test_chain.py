"""Chains of image operations, as they stand in addresses."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.domain.chain import OperationError, read
from services.gateway.domain.operation import CENTER, Chain, Crop, Length, Offset, Preview, Resize, ScaleCrop, Step


def px(value: int) -> Length:
    return Length(value)


def percent(value: int) -> Length:
    return Length(value, percent=True)


GOOD: list[tuple[str, Step]] = [
    ("preview/", Preview(2048, 2048)),
    ("preview/300x500/", Preview(300, 500)),
    ("resize/300x500/", Resize(300, 500)),
    ("resize/300x/", Resize(300, None)),
    ("resize/x0500/", Resize(None, 500)),
    ("resize/3000x3000/", Resize(3000, 3000)),
    ("stretch/off/-/resize/1x1/", Resize(1, 1, "off")),
    ("stretch/fill/-/setfill/FA0/-/resize/1x1/", Resize(1, 1, "fill", "ffaa00")),
    ("setfill/fa0/-/stretch/off/-/resize/1x1/", Resize(1, 1, "off")),
    ("scale_crop/76x76/", ScaleCrop(76, 76)),
    ("stretch/off/-/scale_crop/76x76/center/", ScaleCrop(76, 76, CENTER, "off")),
    ("scale_crop/10x20/5,6/", ScaleCrop(10, 20, Offset(px(5), px(6)))),
    ("scale_crop/10x20/5p,6%/", ScaleCrop(10, 20, Offset(percent(5), percent(6)))),
    ("scale_crop/10x20/0p,0p/", ScaleCrop(10, 20)),
    ("scale_crop/10x20/smart/", ScaleCrop(10, 20, None)),
    ("scale_crop/10x20/smart_faces_objects/center/", ScaleCrop(10, 20, None)),
    ("crop/10x20/", Crop(px(10), px(20))),
    ("crop/10x20/center/", Crop(px(10), px(20), CENTER)),
    ("crop/50px100%/7,50p/", Crop(percent(50), percent(100), Offset(px(7), percent(50)))),
    ("setfill/11223344/-/crop/10x20/", Crop(px(10), px(20), fill="11223344")),
]


@pytest.mark.parametrize(("path", "step"), GOOD)
def test_an_operation_is_read_with_its_arguments(path: str, step: Step) -> None:  # U-05
    assert read(path).chain.steps == (step,)


def test_what_is_encoded_how_is_read_too() -> None:
    asked = read("autorotate/no/-/quality/lightest/-/preview/-/format/webp/-/setfill/fff/")

    assert asked.chain == Chain((Preview(),), "webp", "lightest", autorotate=False, fill="ffffff")
    assert read("preview/").chain == Chain((Preview(),), "auto", "normal", autorotate=True)


def test_the_last_word_on_the_encoding_counts_and_steps_keep_their_order() -> None:
    chain = read("format/png/-/resize/9x/-/crop/2x2/-/resize/5x/-/format/jpeg/-/quality/best/-/quality/better/").chain

    assert chain.steps == (Resize(9, None), Crop(px(2), px(2)), Resize(5, None))
    assert (chain.format, chain.quality) == ("jpeg", "better")


def test_stretch_counts_for_what_follows_it() -> None:
    chain = read("resize/9x/-/stretch/off/-/resize/8x/-/resize/7x/-/stretch/on/-/scale_crop/6x6/").chain

    assert chain.steps == (Resize(9, None), Resize(8, None, "off"), Resize(7, None, "off"), ScaleCrop(6, 6))


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
    ],
)
def test_a_word_at_the_end_is_a_file_name_where_it_is_no_argument(path: str, file_name: str | None) -> None:
    assert read(path).file_name == file_name


BAD = [
    ("", 'There is no operation after "-/".'),
    ("-/preview/", 'There is no operation after "-/".'),
    ("preview/-/", 'There is no operation after "-/".'),
    ("preview/-/-/format/png/", 'There is no operation after "-/".'),
    ("blur_everything/", 'Unknown operation "blur_everything".'),
    ("Preview/", 'Unknown operation "Preview".'),
    ("__class__/", 'Unknown operation "__class__".'),
    ("preview/300/", 'Invalid dimensions "300" while parsing "preview".'),
    ("preview/300x/", 'Invalid dimensions "300x" while parsing "preview".'),
    ("preview/1x1/2x2/", 'Too many arguments while parsing "preview".'),
    ("preview/image.jpg/", 'Invalid dimensions "image.jpg" while parsing "preview".'),
    ("resize/", 'Mandatory argument "one_or_two_dimensions" not found while parsing "resize".'),
    ("resize/x/", 'Invalid dimensions "x" while parsing "resize".'),
    ("resize/-5x5/", 'Invalid dimensions "-5x5" while parsing "resize".'),
    ("resize/1.5x5/", 'Invalid dimensions "1.5x5" while parsing "resize".'),
    ("resize/5X5/", 'Invalid dimensions "5X5" while parsing "resize".'),
    ("resize/٣x5/", 'Invalid dimensions "٣x5" while parsing "resize".'),
    ("resize/0x5/", 'Dimensions must be from 1 to 5000 pixels while parsing "resize".'),
    ("resize/5001x/", 'Dimensions must be from 1 to 5000 pixels while parsing "resize".'),
    ("resize/9999999999x/", 'Invalid dimensions "9999999999x" while parsing "resize".'),
    ("resize/5x5\n/", 'Invalid dimensions "5x5\n" while parsing "resize".'),
    ("resize/5x5/photo.jpg/", 'Too many arguments while parsing "resize".'),
    ("resize/9000x/photo.jpg", 'Dimensions must be from 1 to 5000 pixels while parsing "resize".'),
    ("resize/3001x/", "The result can have at most 3000x3000 pixels, 5000x5000 with /format/jpeg/."),
    ("crop/3001x10/-/format/png/", "The result can have at most 3000x3000 pixels, 5000x5000 with /format/jpeg/."),
    ("scale_crop/10x/", 'Invalid dimensions "10x" while parsing "scale_crop".'),
    ("scale_crop/10x10/middle/", 'Invalid alignment "middle" while parsing "scale_crop".'),
    ("scale_crop/10x10/center/smart/", 'Too many arguments while parsing "scale_crop".'),
    ("crop/10x/", 'Invalid dimensions "10x" while parsing "crop".'),
    ("crop/101px5/", 'Percentages must be from 1 to 100 while parsing "crop".'),
    ("crop/0px5/", 'Percentages must be from 1 to 100 while parsing "crop".'),
    ("crop/5x5/101p,5/", 'Percentages must be from 0 to 100 while parsing "crop".'),
    ("crop/5x5/-5,5/", 'Invalid alignment "-5,5" while parsing "crop".'),
    ("crop/5x5/smart/", 'Invalid alignment "smart" while parsing "crop".'),
    ("stretch/-/resize/5x/", 'Mandatory argument "mode" not found while parsing "stretch".'),
    ("stretch/sideways/", 'Invalid value "sideways" of "mode" while parsing "stretch".'),
    ("setfill/red/", 'Invalid color "red" while parsing "setfill".'),
    ("setfill/12345/", 'Invalid color "12345" while parsing "setfill".'),
    ("format/", 'Mandatory argument "format_name" not found while parsing "format".'),
    ("format/gif/", 'Invalid value "gif" of "format_name" while parsing "format".'),
    ("quality/80/", 'Invalid value "80" of "quality_name" while parsing "quality".'),
    ("autorotate/maybe/", 'Invalid value "maybe" of "flag" while parsing "autorotate".'),
    ("autorotate/yes/no/", 'Too many arguments while parsing "autorotate".'),
    ("/-/".join(["preview"] * 21) + "/", "At most 20 operations can be applied at once."),
    ("a" * 8000 + "/", f'Unknown operation "{"a" * 50}".'),
]


@pytest.mark.parametrize(("path", "message"), BAD, ids=[path[:40] for path, _ in BAD])
def test_what_cannot_be_done_is_said(path: str, message: str) -> None:
    with pytest.raises(OperationError) as refused:
        read(path)
    assert refused.value.message == message


EQUAL = [
    ("preview/", "preview", "preview/2048x2048/", "format/auto/-/preview/-/quality/normal/", "stretch/off/-/preview/a.jpg"),
    ("crop/5x5/", "crop/05x5/0,0/", "crop/5x5/0p,0/"),
    ("crop/5x5/center/", "crop/5x5/50p,50%/"),
    ("scale_crop/5x5/smart/", "scale_crop/5x5/smart_points/center"),
    ("stretch/fill/-/setfill/F00/-/resize/5x5/", "setfill/ff0000/-/stretch/fill/-/resize/5x5/"),
]


@pytest.mark.parametrize("paths", EQUAL)
def test_equal_chains_are_kept_as_one(paths: tuple[str, ...]) -> None:
    assert len({read(path).chain.canonical for path in paths}) == 1


DIFFERENT = [
    "preview/", "preview/9x9/", "resize/9x9/", "resize/9x/", "resize/x9/", "stretch/off/-/resize/9x9/", "scale_crop/9x9/",
    "scale_crop/9x9/center/", "scale_crop/9x9/1,1/", "scale_crop/9x9/1p,1/", "scale_crop/9x9/smart/", "crop/9x9/", "crop/9px9/",
    "setfill/f00/-/crop/9x9/", "crop/9x9/-/setfill/f00/", "crop/2x2/-/resize/9x/", "resize/9x/-/crop/2x2/", "format/png/",
    "quality/best/", "autorotate/no/", "setfill/f00/", "setfill/ff000080/",
]  # fmt: skip


def test_different_chains_are_kept_apart() -> None:
    assert len({read(path).chain.canonical for path in DIFFERENT}) == len(DIFFERENT)


WORDS = [
    "preview", "preview/9x8", "resize/x7", "scale_crop/6x5/1,2p", "scale_crop/3x4/smart", "crop/2px3/center", "crop/1x1",
    "setfill/012", "stretch/off", "stretch/fill", "stretch/on", "format/png", "quality/best", "autorotate/no",
]  # fmt: skip


@given(st.lists(st.sampled_from(WORDS), min_size=1, max_size=12))
def test_the_canonical_form_reads_as_the_same_chain(operations: list[str]) -> None:
    chain = read("/-/".join(operations) + "/").chain

    assert read(f"{chain.canonical}/").chain == chain
    assert read(f"{chain.canonical}/").chain.canonical == chain.canonical


@given(st.text(max_size=60))
def test_nothing_but_a_chain_or_a_refusal_comes_of_any_text(path: str) -> None:
    try:
        assert isinstance(read(path).chain, Chain)
    except OperationError as error:
        assert error.message
