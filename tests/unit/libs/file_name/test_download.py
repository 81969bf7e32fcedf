"""U-25: the name comes from the response's headers, else from the URL's path."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.file_name.download import download_name
from libs.file_name.name import MAX_NAME_BYTES

URL = "https://example.com/files/from%20url.png?name=query.txt#fragment.txt"


@pytest.mark.parametrize(
    ("disposition", "name"),
    [
        # RFC 6266 section 5, and what is seen besides
        ("Attachment; filename=example.html", "example.html"),
        ('INLINE; FILENAME= "an example.html"', "an example.html"),
        ("attachment; filename*= UTF-8''%e2%82%ac%20rates", "€ rates"),
        ("attachment; filename=\"EURO rates\"; filename*=utf-8''%e2%82%ac%20rates", "€ rates"),
        ("attachment; filename*=utf-8''%e2%82%ac%20rates; filename=\"EURO rates\"", "€ rates"),
        ("attachment; filename*=iso-8859-1'en'%A3%20rates", "£ rates"),
        ('attachment; filename="a \\"quoted\\" name.txt"', 'a "quoted" name.txt'),
        ('attachment; filename="semi;colon.txt"', "semi;colon.txt"),
        ("attachment; filename=two words.txt; size=5", "two words.txt"),
        ('attachment; filename="not closed.txt', "not closed.txt"),
        ("filename=alone.txt", None),
        ('attachment; comment="; filename=fake.txt"; filename=real.txt', "real.txt"),
        ("attachment; xfilename=fake.txt", None),
        ("attachment", None),
        ("", None),
        # An extension that cannot be read leaves the plain name
        ("attachment; filename=plain.txt; filename*=utf-16''%00a", "plain.txt"),
        ("attachment; filename=plain.txt; filename*=%e2%82%ac", "plain.txt"),
        ("attachment; filename=plain.txt; filename*=UTF-8''caf%E9.txt", "plain.txt"),
        ("attachment; filename=plain.txt; filename*=", "plain.txt"),
        ("attachment; filename=..; filename*=klingon''caf%E9.txt", "café.txt"),
        ("attachment; filename=cafe.txt; filename*=windows-1252''caf%E9.txt", "café.txt"),
        ("attachment; filename*=UTF-8''caf\udce9.txt", "café.txt"),
        # Names only, no folders
        ('attachment; filename="../../etc/passwd"', "passwd"),
        ('attachment; filename="C:\\\\Users\\\\me\\\\report.doc"', "report.doc"),
        ("attachment; filename*=UTF-8''..%2F..%2Fetc%2Fshadow", "shadow"),
        ('attachment; filename=".."', None),
        ('attachment; filename="/"', None),
        # What cannot be seen is not part of it
        ("attachment; filename*=UTF-8''a%00b%0Ac%E2%80%AEgpj.exe", "abcgpj.exe"),
        ("attachment; filename=\"na\udcefve.txt\"", "naïve.txt"),
        ('attachment; filename="naïve.txt"', "naïve.txt"),
    ],
)  # fmt: skip
def test_the_header_names_the_file(disposition: str, name: str | None) -> None:
    assert download_name(disposition, URL) == (name or "from url.png")


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://example.com/a/b%20c.txt", "b c.txt"),
        ("https://example.com/%C3%BC.txt", "ü.txt"),
        ("https://example.com/a%2Fb.txt", "b.txt"),
        ("https://example.com/%00%0A.txt", ".txt"),
        ("https://example.com/%FF.txt", "ÿ.txt"),  # Windows-1252, as a name that is not UTF-8 is read everywhere
        ("https://example.com/photo%E2%80%AEgpj.exe", "photogpj.exe"),
        ("https://example.com/folder/", None),
        ("https://example.com", None),
        ("https://example.com/?a=/b.txt", None),
        ("https://example.com/%2E%2E", None),
    ],
)
def test_else_the_address_does(url: str, name: str | None) -> None:
    assert download_name(None, url) == name


def test_a_long_name_keeps_its_extension() -> None:
    name = download_name(f'attachment; filename="{"x" * 1000}.jpeg"', URL)
    assert name is not None
    assert (len(name.encode()), name[-5:]) == (MAX_NAME_BYTES, ".jpeg")


@given(st.text(max_size=200), st.text(max_size=50))
def test_whatever_is_sent_the_name_is_one_segment_that_can_be_stored(disposition: str, path: str) -> None:
    name = download_name(f"attachment; {disposition.encode('utf-8', 'replace').decode()}", f"https://example.com/{path}")
    if name is not None:
        assert name.encode()
        assert not set(name) & set("/\\\x00\n")
        assert name.strip(".")
        assert len(name.encode()) <= MAX_NAME_BYTES


@pytest.mark.parametrize("piece", [';filename="', "; filename*=", '"\\', ";", "filename", '; a="b'])
def test_a_hostile_header_is_read_in_linear_time(piece: str) -> None:
    download_name((piece * 8000)[:8000], URL)
