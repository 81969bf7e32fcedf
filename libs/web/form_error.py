"""What can be wrong with a form, each with a stable code; the API it happened in renders it."""

from libs.web.route import HttpError


class MalformedFormError(HttpError):
    """The body is not what its Content-Type says: syntax, boundary, UTF-8, a file where none is taken."""

    code = "malformed_form"


class IncompleteFormError(MalformedFormError):
    """The body ends in the middle: cut off, or without its final boundary."""

    code = "incomplete_form"


class NulCharacterError(HttpError):
    """A name or a value contains a NUL character."""

    code = "nul_character"


class TooManyFieldsError(HttpError):
    code = "too_many_fields"


class TooManyFilesError(HttpError):
    code = "too_many_files"


class FieldTooLargeError(HttpError):
    """The name or the value of a field is longer than allowed."""

    status = 413
    code = "field_too_large"


class FileTooLargeError(HttpError):
    """One file is larger than allowed; the request as a whole may not be."""

    status = 413
    code = "file_too_large"
