"""What the rules refuse. Each error has a stable `code`; a dialect puts it into its own words."""

from collections.abc import Sequence


class GatewayError(Exception):
    """A rule of the gateway was broken."""

    code = "gateway_error"

    def __init__(self, message: str | None = None) -> None:
        self.message = message or (self.__doc__ or self.code)
        super().__init__(self.message)


class UnknownKeyError(GatewayError):
    """Missing or invalid API key"""

    code = "unknown_key"


class UnknownTokenError(GatewayError):
    """Missing or invalid bearer token"""

    code = "unknown_token"


class InsufficientRoleError(GatewayError):
    """Insufficient permissions"""

    code = "insufficient_role"


class InsufficientScopeError(GatewayError):
    """The token was given out for something else"""

    code = "insufficient_scope"


class ForeignOwnerError(GatewayError):
    """The owner is not the organization of this API key"""

    code = "foreign_owner"


class InvalidFieldError(GatewayError):
    """A field has a value that is not allowed"""

    code = "invalid_field"

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class AccountNotLinkedError(GatewayError):
    """An account is not linked to this tenant"""

    code = "account_not_linked"

    def __init__(self, accounts: Sequence[str]) -> None:
        super().__init__()
        self.accounts = tuple(accounts)
        """As the client called them."""


class QuotaExceededError(GatewayError):
    """The quota of an account is used up"""

    code = "quota_exceeded"

    def __init__(self, accounts: Sequence[str]) -> None:
        super().__init__()
        self.accounts = tuple(accounts)


class SubmissionAbortedError(GatewayError):
    """The upload session was aborted"""

    code = "session_aborted"


class SubmissionExpiredError(GatewayError):
    """The upload session has expired"""

    code = "session_expired"


class SubmissionCompletedError(GatewayError):
    """The upload session is completed"""

    code = "session_completed"


class FileRejectedError(GatewayError):
    """The file is not what was declared"""

    code = "file_rejected"

    def __init__(self, reason: str, message: str | None) -> None:
        super().__init__(message)
        self.reason = reason
        """The session service's code, e.g. `size_mismatch`."""


class FileTooLargeError(GatewayError):
    """The declared size is more than one file may have"""

    code = "file_too_large"


class StorageBlockedError(GatewayError):
    """The tenant's storage is blocked"""

    code = "storage_blocked"


class NameTakenError(GatewayError):
    """A live file has this name already"""

    code = "name_taken"


class IdTakenError(GatewayError):
    """Another upload has the id that the client chose"""

    code = "id_taken"


class DestinationTakenError(GatewayError):
    """A live file of the destination folder has this name already"""

    code = "destination_taken"


class UploadNotFoundError(GatewayError):
    """There is no such file"""

    code = "upload_not_found"


class StillProcessingError(GatewayError):
    """The file is still being processed"""

    code = "still_processing"


class FolderNotFoundError(GatewayError):
    """There is no such folder"""

    code = "folder_not_found"


class FolderNotEmptyError(GatewayError):
    """Files or folders lie below this folder"""

    code = "folder_not_empty"


class ContainerNotFoundError(GatewayError):
    """There is no such container"""

    code = "container_not_found"


class ReservedFolderError(GatewayError):
    """This folder cannot be deleted"""

    code = "reserved_folder"
