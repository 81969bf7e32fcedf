"""Announces the end of an upload to receivers outside, until they have it, tells webhook endpoints what becomes of uploads
(`endpoints`), and publishes uploads to accounts (`publishing`).

Owns: callbacks, webhooks and their attempts, webhook secrets; endpoints' and accounts' copies, and publications.
Publishes: DeliveryChanged, WebhookEndpointDisabled, PublicationChanged.
Consumes: TenantConfigured, UploadRegistered, ProcessingCompleted, ProcessingFailed, WebhookRequested and the events that close
an upload; WebhookEndpointConfigured, WebhookReplayRequested, WebhookPingRequested, PublicationChanged; AccountConfigured,
PublicationRequested and the events that say whether there is a file.
"""
