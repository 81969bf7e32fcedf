"""Announces the end of an upload to receivers outside, until they have it, and publishes uploads to accounts (`publishing`).

Owns: callbacks, webhooks and their attempts, webhook secrets; accounts' copies and publications.
Publishes: DeliveryChanged, PublicationChanged.
Consumes: TenantConfigured, UploadRegistered, ProcessingCompleted, ProcessingFailed, WebhookRequested and the
events that close an upload; AccountConfigured, PublicationRequested and the events that say whether there is a file.
"""
