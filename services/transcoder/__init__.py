"""Inspects every completed file and makes its renditions.

Owns: jobs, renditions. Consumes: UploadCompleted, FileExpired, FileDeleted.
Publishes: FileInspected, ProcessingProgressed, StreamStarted, ProcessingCompleted, ProcessingFailed.
"""
