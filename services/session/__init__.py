"""Upload sessions: the state machine up to COMPLETED, deadlines, promotion and retention of objects.

Owns: sessions. Consumes: UploadRegistered, ObjectStored, UploadFinishRequested, UploadAbortRequested,
FileDeleteRequested, FileRetentionChanged, FetchFailed.
Publishes: UploadCompleted, UploadRejected, UploadAborted, UploadExpired, FileExpired, FileDeleted.
"""
