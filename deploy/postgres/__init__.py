"""Prepares a database for all services: a role and a schema for each, then its migrations."""
