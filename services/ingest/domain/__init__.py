"""The rules of a fetch, without I/O."""
