"""What the gateway does for its clients, the same through every API."""
