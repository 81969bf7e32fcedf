"""The rules of delivery: no I/O."""
