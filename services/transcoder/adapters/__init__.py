"""The world outside: child processes that touch the bytes of strangers, and the folders in which they do it."""
