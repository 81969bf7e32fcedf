"""The public addresses of files: read-only, by anyone who knows them, and only while they are published."""
