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
        ("name=\"f\"; filename*=KOI8-R''%C6.txt", "ф.txt"),
        # An extended name that cannot be read costs neither the upload nor the plain name (RFC 8187 section 3.2)
        ('name="f"; filename="a.txt"; filename*=', "a.txt"),
        ('name="f"; filename*=UTF-8\'\'; filename="a.txt"', "a.txt"),
        ('name="f"; filename="a.txt"; filename*=UTF-8\'\'%ff.txt', "a.txt"),
        ('name="f"; filename="a.txt"; filename*=utf-16\'\'%00b', "a.txt"),
        ('name="f"; filename="a.txt"; filename*=klingon\'\'b.txt', "a.txt"),
        ('name="f"; filename="a.txt"; filename*=b.txt', "a.txt"),
        ("name=\"f\"; filename*=b.txt; filename*0*=UTF-8''c.txt", "b.txt"),
        ('name="f"; filename="a.txt"; filename*0*=klingon; filename*1="\'\'b.txt"', "a.txt"),
        ('name="f"; filename="cafe.txt"; filename*=windows-1252\'\'caf%E9.txt', "café.txt"),
        ('name="f"; filename*=UTF-8\'\'two words "and" quotes.txt; filename=a.txt', 'two words "and" quotes.txt'),
        ("name=\"f\"; filename*=UTF-8''caf%E9.txt", "café.txt"),
        ('name="f"; filename*=plain.txt', "plain.txt"),
        ('name="f"; filename*=', ""),
        ('name="f"; filename=; filename*=', ""),
        ('name="f"; filename=my file.txt ; x=y', "my file.txt"),
        ('name="f"; filename*0="a%"; filename*1="b.txt"', "a%b.txt"),
        ('name="f"; filename*0*=UTF-8\'\'%e2%82%ac; filename*1="%41.txt"', "€%41.txt"),
        ('NAME="f"; FileName="a"', "a"),
    ],
)
def test_a_file_name_is_read_as_it_was_meant(disposition: str, filename: str | None) -> None:
    assert parse_head(head(disposition)) == PartHead("f", filename, None)


@pytest.mark.parametrize(
    ("sent", "filename"),
    [
        (b'filename="caf\xe9.txt"', "café.txt"),  # Windows-1252
        (b'filename="\x80uro \x93x\x94.txt"', "€uro “x”.txt"),
        (b'filename="\xd6\xd0\xce\xc4.txt"', "ÖÐÎÄ.txt"),  # GB 18030: nobody says so
        (b'filename="\x95\x5c.txt"', "•\\.txt"),  # Shift JIS, whose second byte may be a backslash
        (b'filename="\x95\x5c"', "•\\"),
        (b'filename="\x81.txt"', "\ufffd.txt"),
        (b"filename=\"a.txt\"; filename*=UTF-8''\xe9.txt", "a.txt"),
        (b"filename=\"\xe9.txt\"; filename*=UTF-8''%e2%82%ac.txt", "€.txt"),
        ('filename="ф.txt"; x="\udce9"'.encode("utf-8", "surrogateescape"), "ф.txt"),
    ],
)
def test_a_file_name_that_is_not_utf_8_does_not_cost_the_upload(sent: bytes, filename: str) -> None:
    assert parse_head(b'Content-Disposition: form-data; name="f"; ' + sent) == PartHead("f", filename, None)


def test_the_name_of_a_field_may_be_a_file_name_that_is_not_utf_8() -> None:  # U-10
    assert parse_head(b'Content-Disposition: form-data; name="caf\xe9.txt"') == PartHead("café.txt", None, None)


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
        (head('name= "a'), "malformed_form"),
        (head('name="a"; filename="b"; filename="c"'), "malformed_form"),
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
