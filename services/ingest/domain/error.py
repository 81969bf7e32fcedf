"""How a fetch can fail: the codes and messages of `FetchFailed`."""

from typing import Final, Literal

FetchCode = Literal[
    "fetch_client_error", "fetch_server_error", "fetch_network_error", "fetch_timeout", "fetch_too_large",
    "fetch_type_forbidden", "fetch_too_many_redirects", "fetch_url_refused", "fetch_empty", "fetch_internal",
]  # fmt: skip

INTERNAL_MESSAGE: Final = "an internal problem"


class FetchError(Exception):
    """This attempt has failed. `str(error)` is shown to the client; `may_pass` where another attempt may succeed."""

    def __init__(self, code: FetchCode, message: str, *, may_pass: bool = False) -> None:
        super().__init__(message)
        self.code: FetchCode = code
        self.may_pass = may_pass


class SourceBusyError(FetchError):
    """Nothing has failed: the source is not ready yet. It is asked again until the upload's deadline."""

    def __init__(self, message: str) -> None:
        super().__init__("fetch_client_error", message, may_pass=True)
