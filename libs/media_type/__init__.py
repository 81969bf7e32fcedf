"""Names the type of a file by its first bytes: what it is, not what it is called or declared."""
