"""Announces the end of an upload to receivers outside, until they have it.

Owns: callbacks, webhooks and their attempts, webhook secrets. Consumes: TenantConfigured, UploadRegistered, ProcessingCompleted, ProcessingFailed and the events that end an upload.
Publishes: DeliveryChanged.
"""
