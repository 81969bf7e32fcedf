"""The heads of parts as clients write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.web.form_head import PartHead, parse_head, parse_parameters
from libs.web.route import HttpError


def head(disposition: str, *more: str) -> bytes:
    return "\r\n".join([f"Content-Disposition: form-data; {disposition}", *more]).encode()


@pytest.mark.parametrize(
    ("disposition", "filename"),
    [
        ('name="f"', None),
        ('name="f"; filename="a.txt"', "a.txt"),
        ("name=f; filename=a.txt", "a.txt"),
        ('name="f"; filename=""', ""),
        ('name="f";filename="фото 1.jpg";', "фото 1.jpg"),
        ('name="f"; filename="a%22b%22.txt"', 'a"b".txt'),  # WHATWG, pyuploadcare
        ('name="f"; filename="a\\"b.txt"', 'a"b.txt'),  # curl
        ('name="f"; filename="a\\\\b.txt"', "a\\b.txt"),  # pyuploadcare, curl
        ('name="f"; filename="C:\\temp\\new.txt"', "C:\\temp\\new.txt"),  # browsers
        ('filename="ends with \\"; name="f"', "ends with \\"),
        ('name="f"; filename="100%41.txt"', "100%41.txt"),
        ('name="f"; filename="a;b=c.txt"', "a;b=c.txt"),
        ("name=\"f\"; filename*=UTF-8''%e2%82%ac%22.txt", '€".txt'),
        ('name="f"; filename="euro.txt"; filename*=utf-8\'en\'%E2%82%AC.txt', "€.txt"),
        ("name=\"f\"; filename*=iso-8859-1''%A3", "£"),
        ("name=\"f\"; filename*=UTF-8''", ""),
        ('name="f"; filename*0="a%"; filename*1="b.txt"', "a%b.txt"),
        ('name="f"; filename*0*=UTF-8\'\'%e2%82%ac; filename*1="%41.txt"', "€%41.txt"),
        ('NAME="f"; FileName="a"', "a"),
    ],
)
def test_a_file_name_is_read_as_it_was_meant(disposition: str, filename: str | None) -> None:
    assert parse_head(head(disposition)) == PartHead("f", filename, None)


@given(st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0"), max_size=30).filter(lambda name: "%22" not in name))
def test_every_name_survives_the_way_of_pyuploadcare(name: str) -> None:
    written = name.replace("\\", "\\\\").replace('"', "%22")
    assert parse_head(head(f'name="{written}"; filename="{written}"')) == PartHead(name, name, None)


def test_a_folded_head_with_a_type_is_read() -> None:
    raw = b'content-disposition: FORM-DATA;\r\n\tname="f"\r\nX-Other: 1\r\nCONTENT-TYPE:  text/plain; charset=x \r\nX: 3'
    assert parse_head(raw) == PartHead("f", None, "text/plain; charset=x")


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"", "malformed_form"),
        (b"Content-Type: text/plain", "malformed_form"),
        (b"Content-Disposition: attachment; name=f", "malformed_form"),
        (head('filename="a"'), "malformed_form"),
        (head('name="a"; name="b"'), "malformed_form"),
        (head('name="a'), "malformed_form"),
        (head('name="a" x'), "malformed_form"),
        (head("=a"), "malformed_form"),
        (head('name="a"', 'Content-Disposition: form-data; name="b"'), "malformed_form"),
        (head('name="a"', "no colon"), "malformed_form"),
        (head('name="a"', "Name : value"), "malformed_form"),
        (head('name="a"', "X: a\nY: b"), "malformed_form"),
        (head('name="a"', *[f"X-{n}: 1" for n in range(40)]), "malformed_form"),
        (head('name="a"', "Content-Transfer-Encoding: base64"), "malformed_form"),
        (b'Content-Disposition: form-data; name="\xff"', "malformed_form"),
        (head("name=\"a\"; filename*=UTF-8''%ff"), "malformed_form"),
        (head("name=\"a\"; filename*=KOI8-R''a"), "malformed_form"),
        (head('name="a"; filename*=plain'), "malformed_form"),
        (head('name="a\0b"'), "nul_character"),
        (head("name=\"a\"; filename*=UTF-8''a%00b"), "nul_character"),
    ],
)
def test_a_malformed_head_is_refused(raw: bytes, code: str) -> None:
    with pytest.raises(HttpError) as refused:
        parse_head(raw)
    assert refused.value.code == code


@given(st.binary(max_size=200))
def test_any_bytes_are_a_head_or_refused(raw: bytes) -> None:
    try:
        parse_head(b"Content-Disposition: form-data; name=" + raw)
    except HttpError as error:
        assert error.code in ("malformed_form", "nul_character")


def test_parameters_of_a_content_type() -> None:
    assert parse_parameters('multipart/Form-Data ; Boundary="a b"; x=') == ("multipart/form-data", {"boundary": "a b", "x": ""})
    assert parse_parameters("") == ("", {})
