"""What a file is, what becomes of it and how it can fail: pure rules."""
