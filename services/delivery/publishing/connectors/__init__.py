"""Destinations: one module per kind of account, all behind `port`; `registry` knows which there are."""
