"""What webhooks' edges share: making them, and recording what became of their attempts."""
