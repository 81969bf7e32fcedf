"""`source_url`: what is wrong with it is said at once, before anything is sent to it (U-24, U-E81 to U-E90).

What guards is the egress client that fetches: it judges the address again, at each connection and after each redirect.
"""

from collections.abc import Mapping
from hashlib import sha256
from typing import Final

from libs.egress.policy import Policy
from libs.egress.url import UrlRefusal, UrlRefusedError, check_host
from services.gateway.dialects.uploadcare.errors import UploadcareError

CODES: Final[Mapping[UrlRefusal, str]] = {
    "scheme_missing": "URLSchemeRequiredError",
    "scheme_invalid": "URLSchemeInvalidError",
    "host_missing": "URLHostRequiredError",
    "host_malformed": "URLHostMalformedError",
    "malformed": "URLParsingFailedError",
    "userinfo": "URLValidationError",
    "port_forbidden": "URLBlacklistedError",
    "too_long": "URLParsingFailedError",
    "address_forbidden": "URLHostPrivateIPForbiddenError",
}


async def check_source(url: str, policy: Policy) -> str:
    """The URL without white space around it, as it is kept.

    A name server that takes its time says nothing about the name: the fetch asks again. Raises UploadcareError.
    """
    try:
        checked = await check_host(url, policy)
    except UrlRefusedError as refusal:
        raise UploadcareError(CODES[refusal.code]) from None
    if not checked.addresses and checked.is_answered:
        raise UploadcareError("HostnameNotFoundError")
    return checked.url


def source_hash(url: str) -> bytes:
    """By this a source is remembered: the same text is the same source."""
    return sha256(url.encode()).digest()
