"""The platform's own API: one canonical view of every upload, whichever API it came through."""
