"""The rules of publishing: no I/O."""
