"""What comes out of the operations on shape, pixel by pixel, and how operations are applied one after the other."""

import pytest
import pyvips

from services.gateway.domain.image.action import MAX_RESULT_EDGE, ResultTooLargeError
from services.gateway.domain.image.catalogue import OPERATIONS
from services.gateway.domain.image.operation import Effect, Geometry
from services.gateway.domain.image.parsing import parse_operations
from services.gateway.domain.image.value import Size
from services.gateway.files.image_pipeline import LARGE_PIXELS, render
from tests.unit.services.gateway.files.pixels import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    NOTHING,
    RED,
    WHITE,
    Colour,
    Opened,
    at,
    corners,
    made,
    plain,
    quarters,
    size,
    square,
)
from tests.unit.services.gateway.files.test_image_effects import COLOURS, MUTED, REGIONS

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
