"""AWS Signature Version 4: for one object in its query form, making a URL and judging a request that uses one; and in its
header form, for requests that we send ourselves.

Pure CPU, no I/O. What `Presigner.url` binds (method, key, host, headers, query, expiry) is what `verify` insists on; beyond
AWS it refuses every query parameter but those of a part. Like AWS it refuses every `x-amz-*` header that the signature does
not cover, because stores have been talked into copying other people's objects that way (CVE-2026-97731); but other than AWS it
lets those pass that only state a checksum of the body: no URL of ours could be used with a checksum otherwise.

Source: "Authenticating Requests (AWS Signature Version 4)", Amazon S3 API reference: "Using Query Parameters", "Using the
Authorization Header".
"""

import hmac
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import ClassVar, NamedTuple
from urllib.parse import quote, unquote, urlsplit

from libs.object_store.digest import ALGORITHM as CHECKSUM_ALGORITHM
from libs.object_store.digest import SIZES as DIGEST_HEADERS

ALGORITHM = "AWS4-HMAC-SHA256"
UNSIGNED = "UNSIGNED-PAYLOAD"
"""In the place of a body's SHA-256: it is not covered by the signature."""
MAX_EXPIRY = timedelta(days=7)
_PARAMETERS = (
    "X-Amz-Algorithm",
    "X-Amz-Credential",
    "X-Amz-Date",
    "X-Amz-Expires",
    "X-Amz-SignedHeaders",
    "X-Amz-Signature",
)
_PART_PARAMETERS = frozenset({"partNumber", "uploadId"})
_UNSIGNED = frozenset(DIGEST_HEADERS) | {CHECKSUM_ALGORITHM}
"""Headers that only make the store refuse more."""
_HEADER_NAMES = re.compile(r"[a-z0-9!#$%&'*+.^_`|~-]+(;[a-z0-9!#$%&'*+.^_`|~-]+)*")
_CLOCK_SKEW = timedelta(minutes=15)
_PLAIN = re.compile(r"[A-Za-z0-9/_.~-]*").fullmatch
_DATE = re.compile(r"[0-9]{8}T[0-9]{6}Z")
_DEFAULT_PORTS = {"http": 80, "https": 443}


class PresignError(Exception):
    """The request is not what its URL was signed for."""

    code: ClassVar[str] = "AccessDenied"
    status: ClassVar[int] = 403


class MalformedQueryError(PresignError):
    """The signature's own query parameters are missing, repeated or malformed."""

    code = "AuthorizationQueryParametersError"
    status = 400


class ExpiredError(PresignError):
    """Request has expired"""


class SignatureMismatchError(PresignError):
    """The request signature we calculated does not match the signature you provided."""

    code = "SignatureDoesNotMatch"


class UnsignedHeaderError(PresignError):
    """There were headers present in the request which were not signed"""


@dataclass(frozen=True)
class PresignedRequest:
    """A request as it came in: `query` raw, `headers` in order, names in any case, repeated ones repeated."""

    method: str
    key: str
    query: str
    headers: Iterable[tuple[str, str]]


class _Day(NamedTuple):
    day: str
    scope: str
    credential: str
    quoted_credential: str
    """As it stands in a query."""
    key: bytes


class Presigner:
    """Signs and judges URLs `{endpoint}/{key}`; `endpoint` includes the bucket or whatever path comes before the key."""

    def __init__(self, endpoint: str, access_key: str, secret_key: str, region: str = "us-east-1") -> None:
        parts = urlsplit(endpoint)
        port = "" if parts.port in (None, _DEFAULT_PORTS.get(parts.scheme)) else f":{parts.port}"
        host = parts.hostname or ""
        self._host = f"[{host}]{port}" if ":" in host else f"{host}{port}"
        self._origin = f"{parts.scheme}://{self._host}"
        self._path = parts.path.rstrip("/")
        self._access_key = access_key
        self._secret_key = secret_key
        self._region = region
        self._day = _Day("", "", "", "", b"")

    def url(
        self,
        method: str,
        key: str,
        *,
        expires_in: timedelta,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        now: datetime | None = None,
    ) -> str:
        """The signed URL, `query` included; the request must carry exactly `headers`. About 8 µs."""
        if not timedelta(seconds=1) <= expires_in <= MAX_EXPIRY:
            raise ValueError("a presigned URL lives from one second to seven days")
        at = _timestamp(now or datetime.now(UTC))
        bound = {name.lower(): value for name, value in headers.items()} if headers else {}
        more = _encoded(query.items()) if query else ""
        path, signed, signature = self._sign(method, key, at, int(expires_in.total_seconds()), bound, more=more)
        return f"{self._origin}{path}?{more}{'&' if more else ''}{signed}&X-Amz-Signature={signature}"

    def part_urls(
        self, key: str, multipart_id: str, numbers: Iterable[int], *, expires_in: timedelta, now: datetime | None = None
    ) -> list[str]:
        """What `url` makes of each part's query: what they have in common is signed once. About 3 µs each."""
        if not timedelta(seconds=1) <= expires_in <= MAX_EXPIRY:
            raise ValueError("a presigned URL lives from one second to seven days")
        at = _timestamp(now or datetime.now(UTC))
        path, day, upload = self._quoted_path(key), self._day_of(at), f"uploadId={quote(multipart_id, safe='-_.~')}"
        query = self._query(day, at, int(expires_in.total_seconds()), ("host",))
        begin = sha256(f"PUT\n{path}\n{query}&partNumber=".encode("utf-8", "surrogateescape"))
        end = f"&{upload}\nhost:{self._host}\n\nhost\n{UNSIGNED}".encode()
        to_sign = f"{ALGORITHM}\n{at}\n{day.scope}\n"
        urls = []
        for number in numbers:
            canonical = begin.copy()
            canonical.update(b"%d%b" % (number, end))
            signature = hmac.digest(day.key, f"{to_sign}{canonical.hexdigest()}".encode(), "sha256").hex()
            urls.append(f"{self._origin}{path}?partNumber={number}&{upload}&{query}&X-Amz-Signature={signature}")
        return urls

    def authorized(
        self,
        method: str,
        key: str,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        payload_sha256: str = UNSIGNED,
        now: datetime | None = None,
    ) -> tuple[str, dict[str, str]]:
        """URL and headers of a request of our own, all of them signed; an empty key stands for the bucket."""
        at = _timestamp(now or datetime.now(UTC))
        bound = {name.lower(): value for name, value in headers.items()} if headers else {}
        bound |= {"x-amz-content-sha256": payload_sha256, "x-amz-date": at, "host": self._host}
        more = _encoded(query.items()) if query else ""
        path, day = self._quoted_path(key), self._day_of(at)
        names, signature = _signature(day, at, method, path, query=_sorted(more), headers=bound, payload=payload_sha256)
        authorization = f"{ALGORITHM} Credential={day.credential}, SignedHeaders={names}, Signature={signature}"
        return f"{self._origin}{path}{'?' if more else ''}{more}", {**bound, "authorization": authorization}

    def verify(self, request: PresignedRequest, now: datetime) -> Mapping[str, str]:
        """Raises a PresignError unless `request` is what its URL was signed for, and started before the URL expired.

        Returns what its query says beside the signature: nothing, or `partNumber` and `uploadId`. The host that counts is
        the endpoint's, whatever name the request reached us by: a proxy may rewrite `Host`.
        """
        query, more = _query_of(request.query)
        at, expires = _life_of(query)
        if at > now + _CLOCK_SKEW:
            raise ExpiredError("Request is not valid yet")
        if now >= at + timedelta(seconds=expires):
            raise ExpiredError("Request has expired")
        got: dict[str, str] = {}
        for name, value in request.headers:
            lower = name.lower()
            got[lower] = f"{got[lower]},{value}" if lower in got else value
        names = query["X-Amz-SignedHeaders"].split(";")
        _check_names(got.keys(), names)
        bound = {name: got[name] for name in names}
        _path, _query, signature = self._sign(
            request.method, request.key, query["X-Amz-Date"], expires, bound, more=_encoded(more.items())
        )
        expected = f"{self._day.credential} {expires} {';'.join(sorted(bound))} {signature}"
        given = " ".join([query[f"X-Amz-{name}"] for name in ("Credential", "Expires", "SignedHeaders", "Signature")])
        if not hmac.compare_digest(expected.encode(), given.encode()):
            raise SignatureMismatchError(
                "The request signature we calculated does not match the signature you provided. The URL is good for one method "
                f"and path, and for certain values of the headers {', '.join(names)}."
            )
        return more

    def _sign(
        self, method: str, key: str, at: str, expires: int, bound: Mapping[str, str], *, more: str
    ) -> tuple[str, str, str]:
        """The URL's path, the signature's parameters without itself, and the signature.

        `bound` has lower-case names; `more` are the query's other parameters, encoded.
        """
        headers = {**bound, "host": self._host}
        path, day = self._quoted_path(key), self._day_of(at)
        query = self._query(day, at, expires, headers)
        sorted_query = _sorted(f"{query}&{more}") if more else query
        _names, signature = _signature(day, at, method, path, query=sorted_query, headers=headers, payload=UNSIGNED)
        return path, query, signature

    @staticmethod
    def _query(day: _Day, at: str, expires: int, headers: Iterable[str]) -> str:
        """The signature's parameters without itself."""
        return (
            f"X-Amz-Algorithm={ALGORITHM}&X-Amz-Credential={day.quoted_credential}&X-Amz-Date={at}"
            f"&X-Amz-Expires={expires}&X-Amz-SignedHeaders={'%3B'.join(sorted(headers))}"
        )

    def _quoted_path(self, key: str) -> str:
        path = f"{self._path}/{key}"
        return path if _PLAIN(path) else quote(path, safe="/-_.~")

    def _day_of(self, at: str) -> _Day:
        return self._day if self._day.day == at[:8] else self._begin_day(at[:8])

    def _begin_day(self, day: str) -> _Day:
        """The signing key of a day (`yyyymmdd`), kept until another day is asked for."""
        key = f"AWS4{self._secret_key}".encode()
        for part in (day, self._region, "s3", "aws4_request"):
            key = hmac.digest(key, part.encode(), "sha256")
        scope = f"{day}/{self._region}/s3/aws4_request"
        credential = f"{self._access_key}/{scope}"
        self._day = _Day(day, scope, credential, quote(credential, safe="-_.~"), key)
        return self._day


def _check_names(got: Collection[str], signed: Sequence[str]) -> None:
    """Raises UnsignedHeaderError or SignatureMismatchError, which say what the client has to add or to leave out."""
    unsigned = [name for name in got if name.startswith("x-amz-") and name not in signed and name not in _UNSIGNED]
    if unsigned:
        raise UnsignedHeaderError(
            f"There were headers present in the request which were not signed: {', '.join(unsigned)}. Leave them out."
        )
    if missing := [name for name in signed if name not in got]:
        raise SignatureMismatchError(
            f"The request lacks headers that its URL was signed with: {', '.join(missing)}. Send them with the values given."
        )
    if "host" not in signed:
        raise SignatureMismatchError("The URL was not signed for a host.")


def _timestamp(t: datetime) -> str:
    return f"{t.year:04}{t.month:02}{t.day:02}T{t.hour:02}{t.minute:02}{t.second:02}Z"  # three times as fast as strftime


def _signature(
    day: _Day, at: str, method: str, path: str, *, query: str, headers: Mapping[str, str], payload: str
) -> tuple[str, str]:
    """The names of the signed headers and the signature; `query` is in the canonical order."""
    names = sorted(headers)
    signed = ";".join(names)
    lines = "".join([f"{name}:{' '.join(headers[name].split())}\n" for name in names])
    canonical = f"{method}\n{path}\n{query}\n{lines}\n{signed}\n{payload}"
    digest = sha256(canonical.encode("utf-8", "surrogateescape")).hexdigest()
    to_sign = f"{ALGORITHM}\n{at}\n{day.scope}\n{digest}"
    return signed, hmac.digest(day.key, to_sign.encode(), "sha256").hex()


def _encoded(pairs: Iterable[tuple[str, str]]) -> str:
    return "&".join([f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}" for name, value in pairs])  # beats urlencode


def _sorted(query: str) -> str:
    """The canonical order is by name, not by `name=value`."""
    return "&".join(sorted(query.split("&"), key=lambda pair: pair.partition("=")))


def _query_of(raw: str) -> tuple[dict[str, str], dict[str, str]]:
    """The six parameters of a signature, each exactly once, and the others: none, or those of a part."""
    fields = raw.split("&", len(_PARAMETERS) + len(_PART_PARAMETERS))
    pairs = [(_decoded(name), _decoded(value)) for name, equals, value in [field.partition("=") for field in fields] if equals]
    query = {name: value for name, value in pairs if name in _PARAMETERS}
    more = {name: value for name, value in pairs if name not in _PARAMETERS}
    known = len(query) == len(_PARAMETERS) and more.keys() in (set(), _PART_PARAMETERS)
    if not known or len(fields) != len(query) + len(more) or query["X-Amz-Algorithm"] != ALGORITHM:
        raise MalformedQueryError("Query-string authentication needs exactly the signature's own parameters")
    if not _HEADER_NAMES.fullmatch(query["X-Amz-SignedHeaders"]):
        raise MalformedQueryError("X-Amz-SignedHeaders must be names of headers in lower case, with semicolons between them")
    return query, more


def _decoded(text: str) -> str:
    """Six times as fast as `parse_qsl`, as what is signed has little to decode."""
    return unquote(text.replace("+", " ")) if "%" in text or "+" in text else text


def _life_of(query: Mapping[str, str]) -> tuple[datetime, int]:
    """From when and for how long the URL says it is good."""
    date, seconds = query["X-Amz-Date"], query["X-Amz-Expires"]
    try:
        if not (_DATE.fullmatch(date) and seconds.isascii() and seconds.isdigit() and 0 < len(seconds) <= 6):
            raise ValueError
        at, expires = datetime.fromisoformat(date), int(seconds)
    except ValueError as error:
        raise MalformedQueryError("X-Amz-Date or X-Amz-Expires is malformed") from error
    if not 1 <= expires <= MAX_EXPIRY.total_seconds():
        raise MalformedQueryError("X-Amz-Expires must lie between 1 and 604800 seconds")
    return at, expires
