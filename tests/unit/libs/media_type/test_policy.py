"""U-E80, U-E41, U-45: which content is taken."""

import pytest

from libs.media_type.policy import TypePolicy

IMAGES = ("image/*",)
CSV = ("text/csv",)


def is_taken(declared: str | None, actual: str, allowed: tuple[str, ...] = (), forbidden: tuple[str, ...] = ()) -> bool:
    policy = TypePolicy(allowed, forbidden)
    return policy.takes_declared(declared) and policy.takes_actual(actual, declared)


@pytest.mark.parametrize(
    ("declared", "actual", "allowed"),
    [
        ("anything/at-all", "image/png", ()),
        ("image/png", "image/png", IMAGES),
        ("Image/PNG; q=1", "image/png", ("IMAGE/png",)),
        ("image/jpg", "image/jpeg", ("image/jpeg",)),
        ("image/png", "image/jpeg", IMAGES),
        (None, "image/png", IMAGES),
        ("application/octet-stream", "image/png", IMAGES),
        ("text/csv; charset=utf-8", "text/plain", CSV),
        ("application/msword", "application/octet-stream", ("application/msword",)),
        ("a/b", "c/d", ("*/*",)),
    ],
)
def test_content_of_an_allowed_type_is_taken(declared: str | None, actual: str, allowed: tuple[str, ...]) -> None:
    assert is_taken(declared, actual, allowed)


@pytest.mark.parametrize(
    ("declared", "actual", "allowed"),
    [
        ("text/html", "image/png", IMAGES),
        ("image/png", "text/html", IMAGES),
        ("image/png", "text/plain", IMAGES),
        ("image/x-unknown", "application/octet-stream", IMAGES),
        (None, "text/plain", CSV),
        ("application/octet-stream", "text/plain", CSV),
        ("text/csv", "text/html", CSV),
        ("image/png", "video/mp4", ("image/png",)),
        ("imagex/png", "imagex/png", IMAGES),
    ],
)
def test_content_of_another_type_is_refused(declared: str | None, actual: str, allowed: tuple[str, ...]) -> None:
    assert not is_taken(declared, actual, allowed)


@pytest.mark.parametrize(
    ("declared", "actual", "forbidden"),
    [
        ("text/html", "image/png", ("text/html",)),
        ("image/png", "text/html", ("text/html",)),
        ("text/csv", "text/plain", ("text/*",)),
        ("image/jpg", "application/octet-stream", ("image/jpeg",)),
        (None, "application/octet-stream", ("application/octet-stream",)),
    ],
)
def test_content_of_a_forbidden_type_is_refused(declared: str | None, actual: str, forbidden: tuple[str, ...]) -> None:
    assert not is_taken(declared, actual, forbidden=forbidden)
    assert is_taken(declared, actual, forbidden=("video/*",))
