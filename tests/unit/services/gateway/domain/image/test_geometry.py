"""What chains do to images of certain sizes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.domain.image.action import (
    MAX_RESULT_EDGE,
    MAX_RESULT_PIXELS,
    Action,
    Cut,
    ResultTooLargeError,
    Reverse,
    Scale,
    SmartCut,
    Turn,
    check_result,
)
from services.gateway.domain.image.argument import OperationError
from services.gateway.domain.image.operation import Geometry
from services.gateway.domain.image.parsing import parse_operations
from services.gateway.domain.image.value import Size


def plan(path: str, size: Size) -> list[Action]:
    """All that becomes of an image of `size`, in order. Raises ResultTooLargeError."""
    planned: list[Action] = []
    for step in parse_operations(path).transformation.steps:
        assert isinstance(step.operation, Geometry)
        for action in step.operation.actions(step, size):
            planned.append(action)
            size = action.width, action.height
            check_result(size)
    return planned


PLANS: list[tuple[str, Size, list[Action]]] = [
    ("preview/", (4000, 3000), [Scale(2048, 1536)]),
    ("preview/", (40, 30), []),
    ("preview/300x300/", (400, 1), [Scale(300, 1)]),
    ("resize/200x100/", (40, 30), [Scale(200, 100)]),
    ("resize/200x/", (40, 30), [Scale(200, 150)]),
    ("resize/x15/", (40, 30), [Scale(20, 15)]),
    ("resize/40x/", (40, 30), []),
    ("stretch/off/-/resize/220x/", (160, 100), []),
    ("stretch/off/-/resize/220x50/", (160, 100), [Scale(160, 50)]),
    ("stretch/off/-/resize/80x/", (160, 100), [Scale(80, 50)]),
    ("stretch/fill/-/resize/220x/", (160, 100), [Cut(-30, -19, 220, 138)]),
    ("stretch/fill/-/setfill/fff/-/resize/200x50/", (160, 100), [Scale(160, 50), Cut(-20, 0, 200, 50, "ffffff")]),
    ("scale_crop/76x76/", (400, 200), [Scale(152, 76), Cut(0, 0, 76, 76)]),
    ("scale_crop/76x76/center/", (400, 200), [Scale(152, 76), Cut(38, 0, 76, 76)]),
    ("scale_crop/76x76/100p,0/", (400, 200), [Scale(152, 76), Cut(76, 0, 76, 76)]),
    ("scale_crop/76x76/900,900/", (400, 200), [Scale(152, 76), Cut(76, 0, 76, 76)]),
    ("scale_crop/76x76/smart/", (400, 200), [Scale(152, 76), SmartCut(76, 76)]),
    ("scale_crop/80x40/", (400, 200), [Scale(80, 40)]),
    ("scale_crop/400x200/", (40, 20), [Scale(400, 200)]),
    ("stretch/off/-/scale_crop/76x76/center/", (40, 100), [Cut(0, 12, 40, 76)]),
    ("stretch/off/-/scale_crop/76x76/center/", (40, 20), []),
    ("stretch/fill/-/scale_crop/76x76/center/", (40, 100), [Cut(0, 12, 40, 76), Cut(-18, 0, 76, 76)]),
    ("crop/10x20/", (40, 30), [Cut(0, 0, 10, 20)]),
    ("crop/10x20/center/", (40, 30), [Cut(15, 5, 10, 20)]),
    ("crop/40x30/center/", (40, 30), []),
    ("crop/50px50p/100p,100p/", (40, 30), [Cut(20, 15, 20, 15)]),
    ("crop/60x60/center/", (40, 30), [Cut(-10, -15, 60, 60)]),
    ("crop/10x10/35,25/", (40, 30), [Cut(35, 25, 10, 10)]),
    ("crop/1px1p/", (40, 30), [Cut(0, 0, 1, 1)]),
    ("crop/10x10/-5,5/", (40, 30), [Cut(-5, 5, 10, 10)]),
    ("crop/10x10/top/", (40, 30), [Cut(15, 0, 10, 10)]),
    ("crop/10x10/bottom/", (40, 30), [Cut(15, 20, 10, 10)]),
    ("crop/10x10/left/", (40, 30), [Cut(0, 10, 10, 10)]),
    ("crop/10x10/right/", (40, 30), [Cut(30, 10, 10, 10)]),
    ("crop/33.3px100p/", (1000, 10), [Cut(0, 0, 333, 10)]),
    ("crop/16:9/", (160, 160), [Cut(0, 35, 160, 90)]),
    ("crop/1:1/top/", (40, 30), [Cut(5, 0, 30, 30)]),
    ("crop/1:1/right/", (40, 30), [Cut(10, 0, 30, 30)]),
    ("crop/1:1/900,0/", (40, 30), [Cut(10, 0, 30, 30)]),
    ("crop/1:1/-9,0/", (40, 30), [Cut(0, 0, 30, 30)]),
    ("crop/4:3/", (40, 30), []),
    ("crop/1:5000/", (40, 30), [Cut(19, 0, 1, 30)]),
    ("crop/image/", (40, 30), []),
    ("crop/image/50px50p/", (40, 30), [Cut(10, 7, 20, 15)]),
    ("crop/image/1:1/50px50p/left/", (40, 30), [Cut(0, 7, 15, 15)]),
    ("crop/image/90x10/", (40, 30), [Cut(0, 10, 40, 10)]),
    ("crop/smart/", (40, 30), []),
    ("crop/smart/1:1/", (40, 30), [SmartCut(30, 30)]),
    ("crop/smart/50px50p/", (40, 30), [SmartCut(20, 15)]),
    ("scale_crop/76x76/bottom/", (200, 400), [Scale(76, 152), Cut(0, 76, 76, 76)]),
    ("rotate/90/", (40, 30), [Turn(270, 30, 40)]),
    ("rotate/180/", (40, 30), [Turn(180, 40, 30)]),
    ("rotate/-90/", (40, 30), [Turn(90, 30, 40)]),
    ("rotate/360/", (40, 30), []),
    ("flip/", (40, 30), [Reverse("vertical", 40, 30)]),
    ("mirror/", (40, 30), [Reverse("horizontal", 40, 30)]),
    ("rotate/90/-/crop/30x10/", (40, 30), [Turn(270, 30, 40), Cut(0, 0, 30, 10)]),
    ("resize/20x/-/crop/10x10/center/-/resize/5x/", (40, 20), [Scale(20, 10), Cut(5, 0, 10, 10), Scale(5, 5)]),
]


@pytest.mark.parametrize(("path", "size", "actions"), PLANS)
def test_steps_become_scales_and_cuts(path: str, size: Size, actions: list[Action]) -> None:  # U-05
    assert plan(path, size) == actions


@pytest.mark.parametrize(
    ("path", "size"),
    [
        ("resize/3000x/", (10, 100_000)),
        ("resize/x3000/", (100_000, 10)),
        ("scale_crop/3000x3000/", (10, 100_000)),
        ("resize/5000x/-/crop/10x10/", (10, 60)),
    ],
)
def test_no_step_may_make_too_many_pixels(path: str, size: Size) -> None:
    with pytest.raises(ResultTooLargeError):
        plan(path, size)


edges = st.integers(1, 20_000)
dimensions = st.integers(1, 3000)


@given(
    st.sampled_from(["on", "off", "fill"]),
    st.lists(
        st.one_of(
            st.builds("preview/{}x{}".format, dimensions, dimensions),
            st.builds("resize/{}x".format, dimensions),
            st.builds("resize/{}x{}".format, dimensions, dimensions),
            st.builds("scale_crop/{}x{}/{}p,{}".format, dimensions, dimensions, st.integers(0, 100), dimensions),
            st.builds("crop/{}px{}/{},{}p".format, st.integers(1, 100), dimensions, dimensions, st.integers(0, 100)),
            st.builds("crop/{}:{}/{},{}p".format, dimensions, dimensions, dimensions, st.integers(0, 100)),
            st.builds("rotate/{}".format, st.sampled_from([-90, 90, 180])),
        ),
        min_size=1,
        max_size=4,
    ),
    edges,
    edges,
)
def test_whatever_is_planned_can_be_done(stretch: str, operations: list[str], width: int, height: int) -> None:
    try:
        actions = plan("/-/".join([f"stretch/{stretch}", *operations]) + "/", (width, height))
    except (ResultTooLargeError, OperationError):
        return
    for action in actions:
        assert 1 <= action.width <= MAX_RESULT_EDGE and 1 <= action.height <= MAX_RESULT_EDGE
        assert action.width * action.height <= MAX_RESULT_PIXELS
