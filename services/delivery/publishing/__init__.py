"""Publishes uploads to the accounts that their owners linked: on time, once, and until it worked or cannot work.

Owns: its copy of the accounts, publications. Publishes: PublicationChanged.
Consumes: AccountConfigured, PublicationRequested, UploadCompleted, and whatever says that an upload has no file (any more).
"""
