"""What comes out of each operation, pixel by pixel, of images of a few pixels."""

from dataclasses import dataclass
from typing import Any

import pytest
import pyvips

from services.gateway.domain.image.action import MAX_RESULT_EDGE, ResultTooLargeError, Scale
from services.gateway.domain.image.catalogue import OPERATIONS
from services.gateway.domain.image.operation import Effect, Geometry, Report
from services.gateway.domain.image.parsing import parse_operations
from services.gateway.domain.image.photo_filter import LOOKS
from services.gateway.domain.image.value import Size
from services.gateway.files.image_pipeline import LARGE_PIXELS, render

RED, GREEN, BLUE, WHITE, BLACK, GREY = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0), (100, 100, 100)
NOTHING = (0, 0, 0, 0)
Colour = tuple[int, ...]


@dataclass
class Opened:
    """An image in memory in place of a file, and how it was asked for."""

    picture: pyvips.Image
    scaled_to: Size | None = None

    @property
    def size(self) -> Size:
        return self.picture.width, self.picture.height

    def scaled(self, width: int, height: int) -> pyvips.Image:
        self.scaled_to = width, height
        return Scale(width, height).apply(self.picture)

    def image(self) -> pyvips.Image:
        return self.picture


def plain(colour: Colour, width: int = 8, height: int = 8) -> pyvips.Image:
    image = pyvips.Image.black(width, height, bands=len(colour)) + list(colour)
    return image.cast("uchar").copy(interpretation="srgb").copy_memory()


def quarters(edge: int = 4) -> pyvips.Image:
    """Red, green above blue, white; each of `edge` x `edge` pixels."""
    image = plain(WHITE, 2 * edge, 2 * edge)
    for colour, left, top in ((RED, 0, 0), (GREEN, edge, 0), (BLUE, 0, edge)):
        image = image.draw_rect(list(colour), left, top, edge, edge, fill=True)
    return image


def square(background: Colour = WHITE) -> pyvips.Image:
    """Red, of 20 x 10 pixels, in the middle of 60 x 30."""
    return plain(background, 60, 30).draw_rect([*RED, *[255] * (len(background) - 3)], 20, 10, 20, 10, fill=True)


def made(operations: str, image: pyvips.Image) -> pyvips.Image:
    return render(Opened(image), parse_operations(operations).transformation.steps).copy_memory()


def at(image: pyvips.Image, x: int, y: int) -> Colour:
    return tuple(round(value) for value in image.getpoint(x, y))


def size(image: pyvips.Image) -> Size:
    return image.width, image.height


def corners(image: pyvips.Image) -> list[Colour]:
    right, bottom = image.width - 1, image.height - 1
    return [at(image, 0, 0), at(image, right, 0), at(image, 0, bottom), at(image, right, bottom)]


# ---------------------------------------------------------------- geometry

GEOMETRY: list[tuple[str, Size, list[Colour]]] = [
    ("preview/4x4/", (4, 4), [RED, GREEN, BLUE, WHITE]),
    ("preview/100x100/", (8, 8), [RED, GREEN, BLUE, WHITE]),
    ("resize/16x8/", (16, 8), [RED, GREEN, BLUE, WHITE]),
    ("resize/4x/", (4, 4), [RED, GREEN, BLUE, WHITE]),
    ("stretch/fill/-/setfill/000/-/resize/10x10/", (10, 10), [BLACK] * 4),
    ("scale_crop/4x8/", (4, 8), [RED, RED, BLUE, BLUE]),
    ("scale_crop/4x8/right/", (4, 8), [GREEN, GREEN, WHITE, WHITE]),
    ("scale_crop/4x8/smart/", (4, 8), []),
    ("crop/4x4/", (4, 4), [RED] * 4),
    ("crop/4x4/4,4/", (4, 4), [WHITE] * 4),
    ("crop/4x4/center/", (4, 4), [RED, GREEN, BLUE, WHITE]),
    ("crop/4x4/top/", (4, 4), [RED, GREEN, RED, GREEN]),
    ("crop/4x4/bottom/", (4, 4), [BLUE, WHITE, BLUE, WHITE]),
    ("crop/50px50p/100p,0p/", (4, 4), [GREEN] * 4),
    ("crop/2:1/top/", (8, 4), [RED, GREEN, RED, GREEN]),
    ("crop/1:2/left/", (4, 8), [RED, RED, BLUE, BLUE]),
    ("crop/image/1:2/right/", (4, 8), [GREEN, GREEN, WHITE, WHITE]),
    ("crop/smart/1:2/", (4, 8), []),
    ("setfill/000/-/crop/4x4/-2,-2/", (4, 4), [BLACK, BLACK, BLACK, RED]),
    ("setfill/000/-/crop/4x4/-9,0/", (4, 4), [BLACK] * 4),
    ("setfill/00000080/-/crop/4x4/6,6/", (4, 4), [(*WHITE, 255), (0, 0, 0, 128), (0, 0, 0, 128), (0, 0, 0, 128)]),
    ("rotate/90/", (8, 8), [GREEN, WHITE, RED, BLUE]),
    ("rotate/180/", (8, 8), [WHITE, BLUE, GREEN, RED]),
    ("rotate/270/", (8, 8), [BLUE, RED, WHITE, GREEN]),
    ("flip/", (8, 8), [BLUE, WHITE, RED, GREEN]),
    ("mirror/", (8, 8), [GREEN, RED, WHITE, BLUE]),
]


@pytest.mark.parametrize(("operations", "expected", "colours"), GEOMETRY)
def test_geometry_puts_each_corner_in_its_place(operations: str, expected: Size, colours: list[Colour]) -> None:  # U-05
    result = made(operations, quarters())

    assert size(result) == expected
    assert not colours or corners(result) == colours


ORDERS: list[tuple[str, str, list[Colour], list[Colour]]] = [
    ("rotate/90/", "crop/8x4/", [GREEN, WHITE, GREEN, WHITE], [GREEN, GREEN, RED, RED]),
    ("mirror/", "crop/4x4/", [GREEN] * 4, [RED] * 4),
    ("flip/", "crop/4x4/", [BLUE] * 4, [RED] * 4),
    ("invert/", "setfill/000/-/crop/16x16/", [(0, 255, 255), BLACK, BLACK, BLACK], [(0, 255, 255), WHITE, WHITE, WHITE]),
    ("brightness/100/", "invert/", [(0, 155, 155), (155, 0, 155), (155, 155, 0), BLACK],
     [(100, 255, 255), (255, 100, 255), (255, 255, 100), GREY]),
]  # fmt: skip


@pytest.mark.parametrize(("one", "other", "first_one", "first_other"), ORDERS)
def test_operations_are_applied_in_the_order_of_the_address(
    one: str, other: str, first_one: list[Colour], first_other: list[Colour]
) -> None:
    assert corners(made(f"{one}-/{other}", quarters())) == first_one
    assert corners(made(f"{other}-/{one}", quarters())) == first_other


# ---------------------------------------------------------------- content and outline


@pytest.mark.parametrize(
    ("operations", "width", "height", "red"),
    [
        ("smart_resize/120x30/", 120, 30, (20, 10)),
        ("smart_resize/60x60/", 60, 60, (20, 10)),
        ("smart_resize/30x15/", 30, 15, (10, 5)),
        ("smart_resize/60x30/", 60, 30, (20, 10)),
    ],
)
def test_a_smart_resize_stretches_the_background(operations: str, width: int, height: int, red: Size) -> None:
    result = made(operations, square())
    left, top, found_width, found_height = result.find_trim(threshold=100, background=list(WHITE))

    assert size(result) == (width, height)
    assert abs(found_width - red[0]) <= 2 and abs(found_height - red[1]) <= 2
    assert abs(left + found_width / 2 - width / 2) <= 2 and abs(top + found_height / 2 - height / 2) <= 2


def test_a_smart_resize_stretches_all_alike_where_nothing_is_plain() -> None:
    stripes = plain(WHITE, 60, 30)
    for left in range(0, 60, 6):
        stripes = stripes.draw_rect(list(RED), left, 0, 3, 30, fill=True)

    result = made("smart_resize/120x30/", stripes)

    turns = [x for x in range(1, 120) if (at(result, x, 5)[1] > 127) != (at(result, x - 1, 5)[1] > 127)]
    assert all(4 <= one - other <= 8 for one, other in zip(turns[1:], turns, strict=False))


def test_zooming_brings_objects_nearer_and_keeps_the_size() -> None:
    widths = []
    for zoom in (1, 50, 100):
        result = made(f"zoom_objects/{zoom}/", square())
        assert size(result) == (60, 30)
        widths.append(result.find_trim(threshold=100, background=list(WHITE))[2])

    assert widths[0] in (20, 21) and 25 < widths[1] < 35 and widths[2] == 60
    assert corners(made("zoom_objects/100/", plain(GREEN))) == [GREEN] * 4


@pytest.mark.parametrize(
    ("operations", "background", "expected"),
    [
        ("trim/", WHITE, (20, 10)),
        ("trim/10/3/", WHITE, (26, 16)),
        ("trim/10/10p/", WHITE, (24, 12)),
        ("trim/10/100/", WHITE, (60, 30)),
        ("trim/0/", (250, 0, 0), (20, 10)),
        ("trim/50/", (200, 0, 0), (60, 30)),
        ("trim/", NOTHING, (20, 10)),
    ],
)
def test_trimming_cuts_the_plain_border_off(operations: str, background: Colour, expected: Size) -> None:
    assert size(made(operations, square(background))) == expected


def test_rounded_corners_are_transparent() -> None:
    circle = made("border_radius/50p/", plain(RED, 20, 20))
    assert circle.bands == 4 and corners(circle) == [(*RED, 0)] * 4
    for x, y in ((10, 0), (0, 10), (19, 10), (10, 19), (10, 10)):
        assert at(circle, x, y)[3] > 200

    one = made("border_radius/8,0,0,0/", plain(RED, 20, 20))
    assert [corner[3] for corner in corners(one)] == [0, 255, 255, 255]

    wide = made("border_radius/10/2/", plain(RED, 20, 20))
    assert [at(wide, *place)[3] for place in ((0, 0), (4, 0), (9, 0), (0, 4))] == pytest.approx([0, 171, 255, 255], abs=4)

    clear = made("border_radius/4/", plain((*RED, 100), 20, 20))
    assert (at(clear, 0, 0)[3], at(clear, 10, 10)) == (0, (*RED, 100))

    pill = made("border_radius/100/", plain(RED, 40, 20))
    assert [corner[3] for corner in corners(pill)] == [0] * 4 and at(pill, 20, 0)[3] == 255

    assert [corner[3] for corner in corners(made("border_radius/0/", plain(RED)))] == [255] * 4


# ---------------------------------------------------------------- colours

MUTED = (150, 120, 90)

COLOURS: list[tuple[str, Colour, Colour]] = [
    ("brightness/50/", GREY, (150, 150, 150)),
    ("brightness/-100/", MUTED, (50, 20, 0)),
    ("brightness/100/", (200, 10, 10), (255, 110, 110)),
    ("exposure/100/", GREY, (161, 161, 161)),
    ("exposure/-100/", GREY, (56, 56, 56)),
    ("exposure/500/", BLACK, BLACK),
    ("exposure/-500/", WHITE, WHITE),
    ("gamma/50/", GREY, (160, 160, 160)),
    ("gamma/200/", GREY, (39, 39, 39)),
    ("gamma/0/", BLACK, WHITE),
    ("gamma/1000/", GREY, BLACK),
    ("contrast/-100/", MUTED, (128, 128, 128)),
    ("contrast/100/", GREY, (72, 72, 72)),
    ("contrast/500/", MUTED, (255, 83, 0)),
    ("saturation/-100/", RED, (76, 76, 76)),
    ("saturation/100/", MUTED, (174, 114, 54)),
    ("saturation/500/", GREY, GREY),
    ("vibrance/500/", RED, RED),
    ("vibrance/100/", MUTED, (168, 116, 62)),
    ("vibrance/-100/", GREY, GREY),
    ("warmth/100/", GREY, (140, 100, 60)),
    ("warmth/-100/", GREY, (60, 100, 140)),
    ("grayscale/", GREEN, (150, 150, 150)),
    ("invert/", (255, 100, 0), (0, 155, 255)),
    ("invert/-/invert/", MUTED, MUTED),
]


@pytest.mark.parametrize(("operations", "before", "after"), COLOURS)
def test_colours_become_what_they_should(operations: str, before: Colour, after: Colour) -> None:
    assert at(made(operations, plain(before)), 3, 3) == pytest.approx(after, abs=1)
    translucent = made(operations, plain((*before, 77)))
    assert at(translucent, 3, 3) == pytest.approx((*after, 77), abs=1)


@pytest.mark.parametrize("name", LOOKS)
def test_a_filter_is_as_strong_as_its_amount(name: str) -> None:
    before = plain(MUTED)
    amounts = [at(made(f"filter/{name}/{amount}/", before), 3, 3) for amount in (-100, 0, 100, 200)]

    assert amounts[1] == MUTED and len(set(amounts)) == 4
    assert at(made(f"filter/{name}/", before), 3, 3) == amounts[2]
    for weakest, none, full, strongest in zip(*amounts, strict=True):
        assert sorted([weakest, none, full, strongest]) in ([weakest, none, full, strongest], [strongest, full, none, weakest])


def test_no_two_filters_look_alike() -> None:
    samples = quarters(1).insert(plain(MUTED, 1, 1), 1, 1)
    looks = {tuple(map(tuple, corners(made(f"filter/{name}/", samples)))) for name in LOOKS}

    assert len(looks) == len(LOOKS) == 40


def test_enhancing_uses_the_whole_range_of_each_colour() -> None:
    dull = plain((100, 110, 120)).insert(plain((150, 140, 130), 4, 8), 0, 0)

    full, half, none = (made(f"enhance/{strength}/", dull) for strength in (100, 50, 0))

    assert (at(full, 7, 0), at(full, 0, 0)) == (BLACK, WHITE)
    assert at(half, 0, 0) == pytest.approx((202, 198, 193), abs=1)
    assert at(none, 0, 0) == (150, 140, 130)
    assert at(made("enhance/", plain(GREY)), 0, 0) == GREY


# ---------------------------------------------------------------- definition


def spread(image: pyvips.Image) -> float:
    return float(image.extract_band(0).deviate())


EDGE = plain(BLACK, 64, 64).insert(plain(WHITE, 32, 64), 0, 0)


def test_more_strength_blurs_more() -> None:
    spreads = [spread(made(f"blur/{strength}/", EDGE)) for strength in (0, 10, 30, 40, 60, 100, 300, 5000)]

    assert spreads == sorted(spreads, reverse=True) and len(set(spreads)) == len(spreads)
    assert spreads[0] == spread(EDGE) and spreads[-1] < spreads[0] / 4
    assert spread(made("blur/", EDGE)) == spreads[1]
    assert made("blur/5000/", EDGE).avg() == pytest.approx(EDGE.avg(), abs=3)


@pytest.mark.parametrize("strength", [10, 40, 41, 100, 1000])
def test_a_blur_moves_nothing(strength: int) -> None:
    result = made(f"blur/{strength}/", EDGE)

    for x in range(32):
        assert at(result, x, 9)[0] + at(result, 63 - x, 9)[0] == pytest.approx(255, abs=4)


def test_a_blur_with_an_amount_is_mixed_or_sharpens() -> None:
    before, beside = at(EDGE, 31, 9)[0], at(made("blur/50/", EDGE), 31, 9)[0]

    assert at(made("blur/50/50/", EDGE), 31, 9)[0] == pytest.approx((before + beside) / 2, abs=1)
    assert at(made("blur/50/0/", EDGE), 31, 9)[0] == before
    soft = made("blur/30/", EDGE)
    assert spread(made("blur/30/-200/", soft)) > spread(soft)


def test_what_is_transparent_lends_no_colour_when_blurred() -> None:
    image = plain((*GREEN, 0), 16, 16).insert(plain((*RED, 255), 8, 16), 0, 0)

    assert at(made("blur/30/", image), 7, 8)[:3] == pytest.approx(RED, abs=2)


REGIONS: list[tuple[str, list[Size]]] = [
    ("blur_region/16x16/24,24/", [(31, 31)]),
    ("blur_region/16x16/24,24/100/", [(31, 31)]),
    ("blur_region/25px25p/37.5p,37.5p/", [(31, 31)]),
    ("blur_region/100px100p/0,0/", [(31, 31), (31, 2), (31, 61)]),
    ("blur_region/5000x10/0,0/", [(31, 2)]),
    ("blur_region/16x16/64,64/", []),
]


@pytest.mark.parametrize(("operations", "changed"), REGIONS)
def test_only_the_region_is_blurred(operations: str, changed: list[Size]) -> None:
    result = made(operations, EDGE)

    for place in ((31, 31), (31, 2), (31, 61)):
        assert (at(result, *place) != at(EDGE, *place)) == (place in changed)
    assert size(result) == size(EDGE)


def test_nothing_can_be_made_out_of_a_region_that_is_blurred_without_a_strength() -> None:
    stripes = plain(BLACK, 64, 64)
    for left in range(0, 64, 8):
        stripes = stripes.draw_rect(list(WHITE), left, 0, 4, 64, fill=True)

    hidden = made("blur_region/32x32/16,16/", stripes)

    assert all(abs(at(hidden, x, 30)[0] - at(hidden, x + 1, 30)[0]) < 10 for x in range(16, 47))


def test_more_strength_sharpens_more() -> None:
    soft = made("blur/30/", EDGE)
    spreads = [spread(made(f"sharp/{strength}/", soft)) for strength in (0, 5, 10, 20)]

    assert spreads == sorted(spreads) and len(set(spreads)) == 4
    assert spread(made("sharp/", soft)) == spreads[1]


# ---------------------------------------------------------------- facts


def measured(operations: str, image: pyvips.Image) -> dict[str, Any]:
    transformation = parse_operations(operations).transformation
    assert transformation.report is not None and isinstance(transformation.report.operation, Report)
    return transformation.report.operation.measure(made(operations, image), *transformation.report.values)


def test_main_colours_are_told_by_how_much_there_is_of_them() -> None:
    image = plain(BLUE, 20, 20).insert(plain(RED, 8, 20), 0, 0).insert(plain(GREEN, 3, 20), 17, 0)

    assert measured("main_colors/", image) == {"main_colors": [list(BLUE), list(RED), list(GREEN)]}
    assert len(measured("main_colors/2/", image)["main_colors"]) == 2
    assert measured("crop/2x2/-/main_colors/1/", image) == {"main_colors": [list(RED)]}
    assert measured("main_colors/1/", plain((*RED, 0))) == {"main_colors": [list(WHITE)]}
    assert measured("json/", image) == {}


# ---------------------------------------------------------------- all together


def test_every_operation_on_pixels_is_tried_here() -> None:
    operations = [*(case[0] for case in GEOMETRY), *(case[0] for case in COLOURS), *(case[0] for case in REGIONS)]
    tried = {path.split("-/")[-1].partition("/")[0] for path in operations}
    tried |= {"smart_resize", "zoom_objects", "trim", "border_radius", "filter", "enhance", "blur", "sharp"}
    on_pixels = {name for name, forms in OPERATIONS.items() if any(isinstance(form, Geometry | Effect) for form in forms)}

    assert on_pixels == tried


@pytest.mark.parametrize("bands", [3, 4])
@pytest.mark.parametrize("edges", [(1, 1), (1, 9), (9, 1), (33, 20)])
def test_operations_work_on_images_of_any_shape(edges: Size, bands: int) -> None:
    chain = (
        "enhance/-/brightness/5/-/exposure/5/-/gamma/90/-/contrast/5/-/saturation/5/-/vibrance/5/-/warmth/5/-/filter/adaris/-/"
        "mirror/-/flip/-/rotate/90/-/blur/10/-/blur/900/-/sharp/-/blur_region/5x5/0,0/-/trim/-/border_radius/3/-/"
        "zoom_objects/50/-/smart_resize/30x40/-/crop/16:9/-/crop/smart/1:1/-/stretch/off/-/resize/20x/"
    )
    result = made(chain, plain((*MUTED, 200)[:bands], *edges))

    assert result.format == "uchar" and result.bands == 4 and result.interpretation == "srgb"
    assert result.width <= 20


def test_a_large_image_is_made_smaller_before_its_colours_are_changed() -> None:
    edge = 1100
    large, small = Opened(quarters(edge // 2)), Opened(quarters(20))
    assert edge * edge > LARGE_PIXELS
    steps = parse_operations("invert/-/contrast/50/-/resize/20x/").transformation.steps

    results = [render(source, steps).copy_memory() for source in (large, small)]

    assert (large.scaled_to, small.scaled_to) == ((20, 20), None)
    assert corners(results[0]) == corners(results[1]) == [(0, 255, 255), (255, 0, 255), (255, 255, 0), BLACK]


@pytest.mark.parametrize(
    ("operations", "edges"),
    [
        ("grayscale/", (MAX_RESULT_EDGE + 1, 1)),
        ("crop/100px100p/", (6000, 6000)),
        ("resize/3000x/", (1, 4000)),
        ("resize/5000x/-/crop/10x10/", (10, 60)),
        ("rotate/90/", (6000, 6000)),
    ],
)
def test_no_result_has_too_many_pixels(operations: str, edges: Size) -> None:
    with pytest.raises(ResultTooLargeError):
        render(Opened(pyvips.Image.black(*edges, bands=3)), parse_operations(operations).transformation.steps)


@pytest.mark.parametrize("operations", ["grayscale/", "rotate/90/", "enhance/", "crop/100px99p/", "blur/1/"])
def test_a_large_original_may_be_worked_on_before_it_is_made_smaller(operations: str) -> None:
    source = Opened(pyvips.Image.black(6000, 6000, bands=3).copy(interpretation="srgb"))

    assert size(render(source, parse_operations(f"{operations}-/resize/60x/").transformation.steps))[0] == 60


def test_an_image_without_a_step_has_limits_too() -> None:
    with pytest.raises(ResultTooLargeError):
        render(Opened(pyvips.Image.black(6000, 6000, bands=3)), ())
