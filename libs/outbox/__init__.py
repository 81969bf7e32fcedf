"""Transactional outbox and idempotent inbox: a state change and the events about it are one commit."""
