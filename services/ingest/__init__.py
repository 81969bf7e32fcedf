"""Fetches what clients name by URL into the object store.

Owns: fetches. Consumes: FetchRequested, and the events that end an upload.
Publishes: FetchProgressed, and one FetchCompleted or FetchFailed for each FetchRequested that was not cancelled.
"""
