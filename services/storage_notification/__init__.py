"""Turns whatever the store says, or fails to say, into exactly one ObjectStored per stored version.

Owns: expected objects, notices. Consumes: UploadRegistered, UploadFinishRequested, FetchCompleted and the events that end an
upload.
Publishes: ObjectStored.
"""
