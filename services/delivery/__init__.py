"""Announces the end of an upload to receivers outside, until they have it.

Owns: callbacks, webhooks and their attempts, webhook secrets. Publishes: DeliveryChanged.
Consumes: TenantConfigured, UploadRegistered, ProcessingCompleted, ProcessingFailed, WebhookRequested and the events that
close an upload.
"""
