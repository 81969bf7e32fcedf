"""What chains do to images of certain sizes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.domain.chain import OperationError, read
from services.gateway.domain.geometry import (
    MAX_RESULT_EDGE,
    MAX_RESULT_PIXELS,
    Action,
    Cut,
    ResultTooLargeError,
    Scale,
    Size,
    SmartCut,
    plan,
)

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
    ("resize/20x/-/crop/10x10/center/-/resize/5x/", (40, 20), [Scale(20, 10), Cut(5, 0, 10, 10), Scale(5, 5)]),
]


@pytest.mark.parametrize(("path", "size", "actions"), PLANS)
def test_steps_become_scales_and_cuts(path: str, size: Size, actions: list[Action]) -> None:  # U-05
    assert plan(read(path).chain.steps, size) == actions


@pytest.mark.parametrize(
    ("path", "size"),
    [
        ("resize/3000x/", (10, 100_000)),
        ("resize/x3000/", (100_000, 10)),
        ("scale_crop/3000x3000/", (10, 100_000)),
        ("format/webp/", (20_000, 10)),
        ("format/webp/", (6000, 6000)),
        ("crop/100px100p/", (6000, 6000)),
        ("resize/5000x/-/crop/10x10/", (10, 60)),
    ],
)
def test_no_step_may_make_too_many_pixels(path: str, size: Size) -> None:
    with pytest.raises(ResultTooLargeError):
        plan(read(path).chain.steps, size)


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
        ),
        min_size=1,
        max_size=4,
    ),
    edges,
    edges,
)
def test_whatever_is_planned_can_be_done(stretch: str, operations: list[str], width: int, height: int) -> None:
    try:
        actions = plan(read("/-/".join([f"stretch/{stretch}", *operations]) + "/").chain.steps, (width, height))
    except (ResultTooLargeError, OperationError):
        return
    for action in actions:
        assert 1 <= action.width <= MAX_RESULT_EDGE and 1 <= action.height <= MAX_RESULT_EDGE
        assert action.width * action.height <= MAX_RESULT_PIXELS
