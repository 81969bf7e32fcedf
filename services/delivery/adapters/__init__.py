"""Delivery's own outside world: the receivers of webhooks."""
