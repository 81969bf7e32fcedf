"""Fetches into the object store what clients name by URL or container, and what comes to lie in watch folders.

Owns: fetches, watched files. Consumes: FetchRequested, WatchFolderConfigured, and the events that end an upload.
Publishes: WatchedFileFound, FetchProgressed, and one FetchCompleted or FetchFailed for each fetch that was not cancelled.
"""
