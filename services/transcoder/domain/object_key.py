"""Where the files that are made of an upload lie in the object store, beside the upload itself."""

from uuid import UUID


def renditions_prefix(upload_id: UUID) -> str:
    """Of what is published: a name below it never leads to other bytes than those that were readable under it before."""
    return f"files/{upload_id}/renditions/"


def growing_prefix(upload_id: UUID) -> str:
    """Of the playlists of a video that is still being made, under the names of the final ones."""
    return f"files/{upload_id}/growing/"
