"""Runs programs that read strangers' bytes: confined, in private folders, without a look at what we know."""
