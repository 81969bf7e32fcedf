"""Why a publication fails: the codes and messages of `PublicationChanged`."""

from typing import Final, Literal

PublishCode = Literal[
    "unsupported_account_kind", "account_removed", "account_unknown", "account_settings_invalid",
    "upload_rejected", "upload_aborted", "upload_expired", "file_deleted", "file_expired", "file_missing",
    "destination_address_refused", "destination_unauthorized", "destination_rejected", "destination_metadata_refused",
    "destination_outcome_unknown", "destination_quota_exceeded", "destination_unavailable", "destination_unreachable",
    "destination_timeout", "internal",
]  # fmt: skip
"""Stable. The first two lines are about this side; of the destination's, the last four are tried again."""

MESSAGES: Final[dict[PublishCode, str]] = {
    "unsupported_account_kind": "Accounts of this kind cannot be published to.",
    "account_removed": "The account was removed before the upload was published.",
    "account_unknown": "The account is not one of this tenant.",
    "account_settings_invalid": "The account's settings cannot be used.",
    "upload_rejected": "The upload was rejected.",
    "upload_aborted": "The upload was aborted.",
    "upload_expired": "The upload expired before its file arrived.",
    "file_deleted": "The file was deleted before it was published.",
    "file_expired": "The file expired before it was published.",
    "file_missing": "The file is no longer there.",
    "internal": "The upload could not be published because of an internal problem.",
}
"""Where no more than the code is known."""


class PublishError(Exception):
    """This attempt has failed. `str(error)` is shown to the client; `may_pass` where another attempt may succeed."""

    def __init__(
        self,
        code: PublishCode,
        message: str | None = None,
        *,
        may_pass: bool = False,
        retry_after_seconds: float | None = None,
        unreached: bool = False,
    ) -> None:
        super().__init__(message or MESSAGES[code])
        self.code: PublishCode = code
        self.may_pass = may_pass
        self.retry_after_seconds = retry_after_seconds
        """What the destination asks for."""
        self.unreached = unreached
        """The destination did not answer at all: its account gets one place at a time."""
